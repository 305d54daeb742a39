import Protocol

extension Cluster {
    /// What a task may wait for.
    enum Condition: Sendable {
        /// Every worker's conversation has come at least so far.
        case all(CoordinatorSession.State)
        /// No call is in flight.
        case callsDone
        /// No process runs.
        case exited
        /// No process runs and no conversation goes on.
        case gone
        /// Orders can be given.
        case ready
        /// The cluster is shut down.
        case stopped
    }

    /// A task that waits.
    struct Wait {
        var condition: Condition
        var end: Duration
        var doing: String
        var after: Duration
        /// True for the shutdown's waits, which end with the time or the condition only.
        var isFinal: Bool
        /// Resumed with true where the condition holds, with false where the time is over (final waits).
        var continuation: CheckedContinuation<Bool, any Error>
    }

    /// Waits for a condition; fails when the cluster does, when the time is over, and when the task is cancelled.
    func wait(for condition: Condition, deadline: Duration, doing: String) async throws {
        if holds(condition) { return }
        if let error = failure { throw error }
        let id = number()
        let signals = signals
        _ = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waits[id] = Wait(
                    condition: condition, end: now + deadline, doing: doing, after: deadline, isFinal: false,
                    continuation: continuation)
            }
        } onCancel: {
            signals.yield(.cancelledWait(id))
        }
    }

    /// Waits for a condition whatever happens; false where the time is over.
    func waitToTheEnd(for condition: Condition, deadline: Duration) async -> Bool {
        if holds(condition) { return true }
        let id = number()
        let result = try? await withCheckedThrowingContinuation { continuation in
            waits[id] = Wait(
                condition: condition, end: now + deadline, doing: "", after: deadline, isFinal: true,
                continuation: continuation)
        }
        return result ?? false
    }

    /// Why nothing can be waited for any more.
    var failure: ClusterError? {
        switch phase {
        case .failed(let error): error
        case .stopping, .stopped: .stopped(cluster: settings.name)
        case .idle: .notReady(cluster: settings.name, state: "not started")
        case .starting, .ready, .aborting, .reconnecting, .recovering: nil
        }
    }

    /// Resumes the tasks whose conditions hold or whose time is over.
    func check() {
        advanceRecovery()
        let now = now
        for (id, wait) in waits.sorted(by: { $0.key < $1.key }) {
            if holds(wait.condition) {
                waits[id] = nil
                wait.continuation.resume(returning: true)
            } else if now >= wait.end {
                waits[id] = nil
                if wait.isFinal {
                    wait.continuation.resume(returning: false)
                } else {
                    wait.continuation.resume(throwing: lateness(of: wait))
                }
            }
        }
    }

    private func holds(_ condition: Condition) -> Bool {
        switch condition {
        case .all(let state):
            let order = CoordinatorSession.State.allCases
            let least = order.firstIndex(of: state) ?? 0
            return members.allSatisfy { member in
                let current = member.session.state
                return current != .closed && current != .leaving && (order.firstIndex(of: current) ?? 0) >= least
            }
        case .callsDone: return calls.isEmpty
        case .exited: return members.allSatisfy { !$0.isRunning }
        case .gone:
            return members.allSatisfy { !$0.isRunning && ($0.session.state == .closed || $0.process != nil) }
        case .ready:
            guard case .ready = phase else { return false }
            return true
        case .stopped:
            guard case .stopped = phase else { return false }
            return true
        }
    }

    private func lateness(of wait: Wait) -> ClusterError {
        guard case .all(let state) = wait.condition else {
            return .stuck(workers: members.map(\.spec.name), doing: wait.doing, after: wait.after)
        }
        let order = CoordinatorSession.State.allCases
        let least = order.firstIndex(of: state) ?? 0
        let late = members.filter { (order.firstIndex(of: $0.session.state) ?? 0) < least }.map(\.spec.name)
        return .stuck(workers: late, doing: wait.doing, after: wait.after)
    }
}
