import Coordinator
import Program
import Protocol
import Tensor
import Testing

/// What the user sees while workers load.
@Suite struct LoadTallyTests {
    private func slice(_ name: String, rows: Range<Int>) -> ParameterSlice {
        ParameterSlice(
            spec: ParameterSpec(name: name, part: "p", tensor: name, fileDims: [4, 8]), dtype: .bf16,
            box: Box([rows, 0..<8]))
    }

    private func locals(_ names: String...) -> [LocalProgram] {
        (0..<2).map { rank in
            LocalProgram(
                name: "", device: rank, parameters: names.map { slice($0, rows: rank == 0 ? 0..<3 : 3..<4) })
        }
    }

    @Test func aSliceCountsOnceADevice() {
        var ledger = WeightLedger(deviceCount: 2)
        #expect(ledger.add(locals("a", "b")) == [96, 32])
        #expect(ledger.add(locals("b", "c", "c")) == [48, 16])
        #expect(ledger.add(locals("a")) == [0, 0])
    }

    @Test func totalsAreKnownBeforeAnythingLoads() {
        let tally = LoadTally(workers: ["w0", "w1"], missing: ["text": [100, 200], "step": [300, 0]])
        #expect(tally.progress.workers.map(\.byteCount) == [400, 200])
        #expect(tally.progress.workers.map(\.loadedByteCount) == [0, 0])
        #expect(tally.progress.byteCount == 600)
    }

    /// Workers count packed bytes, of which there may be more or fewer than the plan's.
    @Test func reportsAddUpOverPrograms() throws {
        let tally = LoadTally(workers: ["w0", "w1"], missing: ["text": [100, 200], "step": [300, 0]])
        func report(_ key: String, _ done: Int, _ total: Int) -> LoadProgress {
            LoadProgress(programKey: key, phase: "weights", bytesDone: done, bytesTotal: total)
        }
        #expect(tally.record(worker: "w0", report("text", 0, 120)) == nil)
        #expect(try #require(tally.record(worker: "w0", report("text", 60, 120))).workers[0].loadedByteCount == 50)
        #expect(tally.record(worker: "w0", report("text", 60, 120)) == nil)
        #expect(tally.record(worker: "w0", report("text", 61, 120)) == nil)
        _ = tally.record(worker: "w0", report("text", 120, 120))
        #expect(tally.record(worker: "w1", report("other", 1, 1)) == nil)
        #expect(tally.record(worker: "stranger", report("text", 1, 1)) == nil)
        _ = tally.record(worker: "w1", report("text", 7, 7))
        let last = try #require(tally.record(worker: "w0", report("step", 9, 9)))
        #expect(last.workers.map(\.loadedByteCount) == [400, 200])
        #expect(tally.record(worker: "w1", report("step", 0, 0)) == nil)
        #expect(last == tally.progress)
    }
}
