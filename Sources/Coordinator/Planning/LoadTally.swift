public import Protocol
import Synchronization

/// Adds up what the workers report while several programs are installed one after the other.
///
/// Workers count the bytes of the forms that their kernels read, program by program; the tally counts the plan's, over
/// all programs, so that the totals are known before the first report.
public final class LoadTally: Sendable {
    private struct State {
        var loaded: [String: [Int]]
        var told: [Int]
    }

    private let workers: [String]
    private let ranks: [String: Int]
    private let missing: [String: [Int]]
    private let totals: [Int]
    private let state: Mutex<State>

    /// Nothing is loaded yet.
    ///
    /// - Parameters:
    ///   - workers: names by rank.
    ///   - missing: for each program's key, the bytes that it adds to each rank.
    public init(workers: [String], missing: [String: [Int]]) {
        self.workers = workers
        self.missing = missing
        ranks = Dictionary(workers.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        totals = workers.indices.map { rank in missing.values.reduce(0) { $0 + $1[rank] } }
        let nothing = Array(repeating: 0, count: workers.count)
        state = Mutex(State(loaded: missing.mapValues { _ in nothing }, told: nothing))
    }

    /// How far all workers are.
    public var progress: LoadingProgress { state.withLock { progress($0) } }

    /// Takes a worker's report.
    ///
    /// - Returns: how far all are; nil where that worker is less than a hundredth further than when it was told last.
    public func record(worker: String, _ report: LoadProgress) -> LoadingProgress? {
        guard let rank = ranks[worker], let share = missing[report.programKey]?[rank] else { return nil }
        let part = report.bytesTotal > 0 ? Double(report.bytesDone) / Double(report.bytesTotal) : 1
        return state.withLock { state in
            state.loaded[report.programKey]?[rank] = min(share, Int(part * Double(share)))
            let loaded = state.loaded.values.reduce(0) { $0 + $1[rank] }
            let isWorthTelling = loaded - state.told[rank] >= max(1, totals[rank] / 100) || loaded == totals[rank]
            guard isWorthTelling, loaded != state.told[rank] else { return nil }
            state.told[rank] = loaded
            return progress(state)
        }
    }

    private func progress(_ state: State) -> LoadingProgress {
        LoadingProgress(
            workers: workers.indices.map { rank in
                .init(
                    name: workers[rank], loadedByteCount: state.loaded.values.reduce(0) { $0 + $1[rank] },
                    byteCount: totals[rank])
            })
    }
}
