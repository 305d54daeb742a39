import Foundation
import Program
import Runtime
import Synchronization
import Tensor
import Testing

/// Several exchanges in one message: a maximum of f32, a swap of bf16 and one of bytes, sizes odd.
struct FusedExchangeTests {
    private static let (floats, halves, bytes) = (5, 3, 7)

    /// Each device gives the other all it has.
    private func program(device: Int) -> LocalProgram {
        let types: [(DType, Int)] = [(.f32, Self.floats), (.bf16, Self.halves), (.u8, Self.bytes)]
        var buffers: [LocalBuffer] = []
        for (index, type) in (types + types).enumerated() {
            buffers.append(
                LocalBuffer(
                    dtype: type.0, dims: [Dim(type.1)], box: Box([0..<type.1]), storage: .arena(offset: index * 64)))
        }
        var exchanges = types.enumerated().map { index, type in
            let transfer = Exchange.Transfer(peer: 1 - device, box: Box([0..<type.1]))
            return Exchange(
                kind: .permute, axes: ["x"], source: index, destination: index + 3, sends: [transfer],
                receives: [transfer], copies: [], scope: "part \(index)")
        }
        exchanges[0].reduction = .max
        exchanges[0].copies = [.init(from: Box([0..<Self.floats]), to: Box([0..<Self.floats]))]
        exchanges[0].fused = [1, 2]
        exchanges[0].stagingOffset = 6 * 64
        return LocalProgram(
            name: "fused", device: device, buffers: buffers,
            inputs: ["a", "b", "c"].enumerated().map { .init(name: $1, buffer: $0) },
            outputs: ["a", "b", "c"].enumerated().map { .init(name: $1, buffer: $0 + 3, isPrimary: true) },
            instructions: [.exchangeStart(0), .exchangeFinish(0)], exchanges: exchanges, arenaByteCount: 12 * 64)
    }

    private func inputs(_ device: Int) -> [String: HostTensor] {
        let sign: Float = device == 0 ? 1 : -1
        return [
            "a": HostTensor((0..<Self.floats).map { sign * Float($0 - 2) }, dims: [Self.floats]),
            "b": HostTensor(dtype: .bf16, dims: [Self.halves], bytes: (0..<6).map { UInt8($0 + 10 * device) }),
            "c": HostTensor(dtype: .u8, dims: [Self.bytes], bytes: (0..<7).map { UInt8(100 + $0 + 50 * device) }),
        ]
    }

    @Test func everythingArrivesInOneMessage() throws {
        let network = TestNetwork()
        let given = [inputs(0), inputs(1)]
        let results = Mutex<[Int: Result<[String: HostTensor], any Error>]>([:])
        let sent = Mutex<[Int]>([])
        let group = DispatchGroup()
        for device in 0..<2 {
            group.enter()
            let (local, input) = (program(device: device), given[device])
            let thread = Thread {
                let result = Result { () throws -> [String: HostTensor] in
                    let executor = try Executor(
                        program: local, weights: WeightStore(sources: [:]), threads: ThreadPool(threads: 1))
                    let fabric = TestFabric(rank: device, size: 2, network: network)
                    let outputs = try executor.run(
                        inputs: input, residents: ResidentStore(), request: 1,
                        tag: FrameTag(epoch: 1, request: 1, step: 3, instruction: 9), fabric: fabric,
                        deadline: .seconds(60))
                    sent.withLock { $0 += [fabric.sentByteCount, fabric.sentMessageCount] }
                    return Dictionary(uniqueKeysWithValues: outputs.map { ($0.name, $0.tensor) })
                }
                results.withLock { $0[device] = result }
                group.leave()
            }
            thread.start()
        }
        group.wait()
        let all = results.withLock { $0 }
        for device in 0..<2 {
            let outputs = try #require(all[device]).get()
            #expect(outputs["a"]?.floats == [2, 1, 0, 1, 2])
            #expect(outputs["b"] == given[1 - device]["b"])
            #expect(outputs["c"] == given[1 - device]["c"])
        }
        let bytes = 4 * Self.floats + 2 * Self.halves + Self.bytes
        #expect(sent.withLock { $0 } == [bytes, 1, bytes, 1])
    }

    @Test func messagesThatContradictThemselvesAreRefused() {
        func refused(_ change: (inout LocalProgram) -> Void) -> Bool {
            var local = program(device: 0)
            change(&local)
            do {
                _ = try Executor(program: local, weights: WeightStore(sources: [:]), threads: ThreadPool(threads: 1))
                return false
            } catch let error as ExecutionError {
                return error.code == .invalidProgram
            } catch {
                return false
            }
        }
        #expect(!refused { _ in })
        #expect(refused { $0.exchanges[0].fused = [1, 3] })
        #expect(refused { $0.exchanges[0].fused = [1, 1] })
        #expect(refused { $0.exchanges[0].fused = [0] })
        #expect(refused { $0.exchanges[1].fused = [2] })
        #expect(refused { $0.exchanges[0].fused = [2, 1] })
        #expect(refused { $0.instructions = [.exchangeStart(1)] })
        #expect(refused { $0.arenaByteCount = 11 * 64 })
    }
}
