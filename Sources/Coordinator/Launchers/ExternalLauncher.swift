import Synchronization

/// Starts nothing: says which workers are awaited, what starts each on its machine, and who has come.
public struct ExternalLauncher: Launcher {
    private final class Absent: Sendable {
        let orders = Mutex<[LaunchOrder]>([])
    }

    private let absent = Absent()
    private let tell: @Sendable (String) -> Void

    /// A launcher that tells people what they have to do, a line at a time.
    public init(tell: @escaping @Sendable (String) -> Void) { self.tell = tell }

    /// Nothing can be started.
    public func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        throw .launchFailed(worker: order.name, reason: "it joins by itself: run there: \(order.command)")
    }

    /// Says how a worker is started.
    public func invite(_ order: LaunchOrder) {
        absent.orders.withLock { $0.append(order) }
        let place = order.host.map { " on \($0)" } ?? ""
        tell("waiting for worker \(order.name)\(place); there: \(order.command)")
    }

    /// Says who has come, and who is still missing.
    public func joined(_ invited: LaunchOrder, as name: String, from host: String) {
        let missing = absent.orders.withLock { orders in
            if let index = orders.firstIndex(of: invited) { orders.remove(at: index) }
            return orders.map(\.name)
        }
        let place = invited.name == name ? "" : " in place of \(invited.name)"
        let rest = missing.isEmpty ? "all are here" : "still missing: \(missing.joined(separator: ", "))"
        tell("worker \(name) has joined from \(host)\(place); \(rest)")
    }
}
