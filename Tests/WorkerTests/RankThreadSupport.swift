import Program
import Protocol
import Synchronization
import Tensor
import Transport
import Worker

/// An engine whose calls do what their program key says.
final class ScriptedEngine: RankEngine {
    /// What the test sees and steers.
    final class Script: Sendable {
        let log = Mutex<[String]>([])
        func note(_ line: String) { log.withLock { $0.append(line) } }
        var lines: [String] { log.withLock { $0 } }
    }

    let endpoint = "tcp://127.0.0.1:1"
    private let script: Script
    private let abortFlag: AbortFlag

    init(script: Script, abortFlag: AbortFlag) {
        self.script = script
        self.abortFlag = abortFlag
    }

    deinit { script.note("engine gone") }

    func connect(endpoints: [String], epoch: UInt32) throws { script.note("connect \(epoch)") }

    func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed {
        progress(LoadProgress(programKey: order.programKey, phase: "weights", bytesDone: 5, bytesTotal: 10))
        if order.programKey == "broken" { throw WorkerError.memoryLimit(program: "p", needed: 2 << 30, limit: 1 << 30) }
        return Installed(programKey: order.programKey, arenaByteCount: 1, parameterByteCount: 2)
    }

    func run(_ order: Run) throws -> RunResult {
        script.note("run \(order.call)")
        switch order.programKey {
        case "unknown": throw WorkerError.unknownProgram(key: order.programKey)
        // Stands for a device that waits for a peer: ends when the flag is set.
        case "waits":
            let lock = ConditionLock(false)
            while abortFlag.reason == nil { _ = lock.wait(milliseconds: 1) { $0 ? true : nil } }
            throw TransportError.aborted(reason: abortFlag.reason ?? "")
        default: return RunResult(call: order.call, outputs: [], duration: .zero, sentByteCount: 0)
        }
    }

    func uninstall(_ programKey: String) { script.note("uninstall \(programKey)") }

    func release(request: UInt64) { script.note("release \(request)") }
}
