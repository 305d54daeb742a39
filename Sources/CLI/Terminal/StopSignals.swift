import Dispatch
import Glibc
import Synchronization

/// Counts SIGTERM and SIGINT instead of dying of them: the first asks to drain, the second to stop at once; the third
/// ends the process.
final class StopSignals: Sendable {
    private struct State {
        var count = 0
        var lastWaiter = 0
        var waiters: [Int: (count: Int, continuation: CheckedContinuation<Bool, Never>)] = [:]
    }

    private let state: Mutex<State>
    private let sources: Mutex<[any DispatchSourceSignal]>

    /// Watches from now on.
    init() {
        state = Mutex(State())
        sources = Mutex([])
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            sources.withLock { sources in
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { [weak self] in self?.take() }
                source.resume()
                sources.append(source)
            }
        }
    }

    /// Signals so far.
    var count: Int { state.withLock { $0.count } }

    /// Waits until so many signals have come; false when the task is cancelled first.
    func received(_ count: Int) async -> Bool {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.count >= count { return true }
                    if Task.isCancelled { return false }
                    state.waiters[id] = (count, continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume(returning: false)
        }
    }

    private func take() {
        let (count, ready) = state.withLock { state in
            state.count += 1
            let ready = state.waiters.filter { $0.value.count <= state.count }
            for id in ready.keys { state.waiters[id] = nil }
            return (state.count, ready.values.map(\.continuation))
        }
        for continuation in ready { continuation.resume(returning: true) }
        if count > 2 { _exit(ExitStatus.failure.rawValue) }
    }

    /// Runs `body`, cancelled as soon as so many signals have come; then throws ``Stopped``.
    func stopping<Result: Sendable>(
        after count: Int, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                _ = await self.received(count)
                return nil
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() ?? nil else { throw Stopped() }
            return result
        }
    }

    /// A signal ended the work.
    struct Stopped: Error, CustomStringConvertible {
        let description = "stopped by a signal"
    }
}
