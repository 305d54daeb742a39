import Coordinator
import Transport

extension ClusterConfiguration {
    /// Where a cluster listens that lives as long as one command: at a port of its own, or, where people have started the
    /// workers, at the one that they were told.
    var ownEndpoint: String {
        launcher.kind == .external ? control.endpoint : NetworkAddress(host: control.host, port: 0).endpoint
    }

    /// Where commands of this file find a cluster that runs.
    var clientAddress: NetworkAddress {
        guard control.isWildcard else { return control }
        return NetworkAddress(host: advertisedHost ?? "127.0.0.1", port: control.port)
    }

    /// Hosts by which workers reach the coordinator, by the worker's host; none where they are the one it listens on.
    ///
    /// `control.advertise` says it. Else, of a coordinator that listens on all interfaces: to hosts with a name, its
    /// address on the way there; to all others, the name of its machine. Looks up the hosts' names.
    var coordinatorHosts: [String?: String] {
        guard launcher.kind != .local else { return [:] }
        var addresses: [String?: String] = [:]
        for host in Set(workers.map(\.host)) {
            if let advertisedHost {
                addresses[host] = advertisedHost
            } else if control.isWildcard {
                let known = host.map { String($0.split(separator: "@").last ?? "") } ?? ""
                addresses[host] = (try? LocalAddress.facing(known)) ?? LocalAddress.hostName
            }
        }
        return addresses
    }

    /// "starting 4 workers", with their hosts; or that they are awaited.
    var startNote: String {
        let count = workers.count == 1 ? "1 worker" : "\(workers.count) workers"
        var hosts: [String] = []
        for host in workers.compactMap(\.host) where !hosts.contains(host) { hosts.append(host) }
        let shown = hosts.count > 8 ? hosts.prefix(8) + ["\(hosts.count - 8) more"] : hosts[...]
        let place = hosts.isEmpty ? "" : " on \(shown.joined(separator: ", "))"
        return launcher.kind == .external ? "waiting for \(count)\(place)" : "starting \(count)\(place)"
    }
}
