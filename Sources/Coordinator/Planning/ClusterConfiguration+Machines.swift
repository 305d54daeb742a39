import Foundation
import Models
import Program
public import Sharding

extension ClusterConfiguration {
    /// What the plan believes of the workers, by rank, and their links.
    ///
    /// Workers: the profile's, else typical figures (``MachineProfile/Worker/assumed(name:cores:speed:)``) for their
    /// threads and `speed`. Links: what `links.pairs` says, else the profile's, else what `links` says of all, else
    /// gigabit Ethernet; a figure that `links.pairs` leaves out is the next one's.
    public var machineProfile: MachineProfile {
        // Machines of which nothing is known are taken to be like this one.
        let cores = ProcessInfo.processInfo.activeProcessorCount
        var numbers: [Int?] = []
        let machines = workers.map { worker in
            let known = measured?.workers.firstIndex { $0.name == worker.name }
            numbers.append(known)
            if let measured, let known { return measured.workers[known] }
            let share = max(1, cores / max(1, workers.count { $0.host == worker.host }))
            return MachineProfile.Worker.assumed(name: worker.name, cores: worker.threads ?? share, speed: worker.speed)
        }
        var common = MachineProfile.Link.ethernet
        Self.replace(&common, latency: links.latency, bandwidth: links.bandwidth)
        var profile = MachineProfile(workers: machines, link: common)
        for (from, a) in numbers.enumerated() {
            for (to, b) in numbers.enumerated() where from != to {
                guard let measured, let a, let b, measured[a, b].origin == .measured else { continue }
                profile[from, to] = measured[a, b]
            }
        }
        let ranks = Dictionary(workers.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        for pair in links.pairs {
            guard let first = ranks[pair.first], let second = ranks[pair.second] else { continue }
            for (from, to) in [(first, second), (second, first)] {
                Self.replace(&profile[from, to], latency: pair.latency, bandwidth: pair.bandwidth)
            }
        }
        return profile
    }

    /// The compiler's options for this cluster's machines, links and settings.
    public var compilerOptions: CompilerOptions {
        let machines = machineProfile
        return CompilerOptions(
            partialSums: partialSums, wire: wire, links: machines.linkCosts, overlap: overlap, machines: machines)
    }

    /// How partial sums travel, where that makes pictures depend on the mesh; nil where it does not.
    public var partialSumsThatShow: String? {
        partialSums == .activations && model.dtype != .f32 ? partialSums.rawValue : nil
    }

    /// Settings that give up pictures which are the same on every mesh, as the file has them.
    public var inexactSettings: [String] {
        (partialSumsThatShow.map { ["partial_sums: \($0)"] } ?? []) + (wireThatShows.map { ["wire: \($0)"] } ?? [])
    }

    /// How elements travel, where that makes pictures depend on the mesh; nil where it does not.
    public var wireThatShows: String? { wire == .exact ? nil : wire.rawValue }

    private static func replace(_ link: inout MachineProfile.Link, latency: Duration?, bandwidth: Int?) {
        if let latency {
            link.latency = Double(latency.components.seconds) + Double(latency.components.attoseconds) * 1e-18
            link.origin = .configured
        }
        if let bandwidth {
            link.bandwidth = Double(bandwidth)
            link.origin = .configured
        }
    }
}
