import Coordinator
import Foundation
import Protocol

/// What `doctor --hosts` says of the machines of a cluster file.
struct HostCheck {
    /// How long a host may take to answer.
    private static let deadline = Duration.seconds(30)

    let configuration: ClusterConfiguration

    /// A finding for each host, in the file's order.
    func findings() async -> [DoctorCommand.Finding] {
        switch configuration.launcher.kind {
        case .local: return [.init(subject: "hosts", text: "all workers run on this machine")]
        case .external:
            return [
                .init(
                    subject: "hosts", text: "workers join by themselves; each machine has 'tessera doctor' of its own")
            ]
        case .slurm: return [allocation]
        case .ssh: break
        }
        var hosts: [String] = []
        for host in configuration.workers.compactMap(\.host) where !hosts.contains(host) { hosts.append(host) }
        let settings = configuration.launcher.ssh
        let answers = await withTaskGroup(of: (Int, HostProbe.Answer).self) { group in
            for (index, host) in hosts.enumerated() where host != "localhost" {
                group.addTask { (index, await HostProbe.version(of: host, settings, deadline: Self.deadline)) }
            }
            return await group.reduce(into: [Int: HostProbe.Answer]()) { $0[$1.0] = $1.1 }
        }
        return hosts.enumerated().map { index, host in finding(host, answers[index]) }
    }

    private func finding(_ host: String, _ answer: HostProbe.Answer?) -> DoctorCommand.Finding {
        switch answer {
        case nil: .init(subject: host, text: "this machine, without ssh")
        case .problem(let text): .init(verdict: .wrong, subject: host, text: text)
        case .version(ProtocolVersion.build): .init(subject: host, text: "tessera \(ProtocolVersion.build)")
        case .version(let version):
            .init(
                verdict: .wrong, subject: host,
                text:
                    "tessera \(version.prefix(80)), not \(ProtocolVersion.build): install the same build on all machines"
            )
        }
    }

    private var allocation: DoctorCommand.Finding {
        guard let allocation = SlurmAllocation(ProcessInfo.processInfo.environment) else {
            return .init(
                verdict: .doubtful, subject: "slurm", text: "no allocation here; run this in a job to see its nodes")
        }
        return .init(
            subject: "slurm", text: "job \(allocation.job), nodes \(allocation.nodeList) (\(allocation.nodeCount))")
    }
}
