import ArgumentParser
import Coordinator
import Foundation
import Glibc
import Protocol
import Runtime
import Sharding

/// `tessera doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Looks at this machine.",
        discussion: """
            Prints what decides how a worker runs here: instruction set, cores, memory, huge pages, library versions, \
            limits and ports, and marks what should be changed with an exclamation mark. With a cluster file, looks \
            at its ports; with --hosts also at each host of the file, which must be reached by ssh without a question \
            and have the same build. Ends with 1 if something would keep a worker from running.

              tessera doctor
              tessera doctor cluster.yaml --hosts
            """)

    /// One line of the report.
    struct Finding {
        enum Verdict: String {
            case fine = " "
            case doubtful = "!"
            case wrong = "X"
        }
        var verdict = Verdict.fine
        var subject: String
        var text: String
    }

    @Argument(help: ArgumentHelp("A cluster file, for its ports.", valueName: "config"))
    var config: String?

    @Flag(help: "Asks each host of the cluster file for its tessera.")
    var hosts = false

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let configuration = config == nil && !hosts ? nil : try options.load(config)
        let control = configuration?.control ?? ClusterConfiguration.defaultControl
        let server = configuration?.server ?? ServerSettings()
        var findings =
            [Finding(subject: "tessera", text: ProtocolVersion.build)] + processor() + memory() + libraries() + limits()
            + [port(control, "control port")] + (server.isEnabled ? [port(server.address, "server port")] : [])
        if hosts, let configuration { findings += await HostCheck(configuration: configuration).findings() }
        let width = findings.map(\.subject.count).max() ?? 0
        for finding in findings {
            let padding = String(repeating: " ", count: width - finding.subject.count)
            Terminal.shared.result("\(finding.verdict.rawValue) \(finding.subject)\(padding)  \(finding.text)")
        }
        if findings.contains(where: { $0.verdict == .wrong }) { throw ExitCode(ExitStatus.failure.rawValue) }
    }

    private func processor() -> [Finding] {
        let fields = Machine.fields("/proc/cpuinfo")
        let level = InstructionSet.current
        let asked = ProcessInfo.processInfo.environment["TESSERA_ISA"].map { " (TESSERA_ISA asks for \($0))" } ?? ""
        let note = level == "portable" ? ": no AVX2, so models run slowly" : ""
        return [
            Finding(subject: "processor", text: fields["model name"] ?? "unknown"),
            Finding(
                verdict: level == "portable" ? .doubtful : .fine, subject: "instruction set",
                text: level + asked + note),
            Finding(
                subject: "cores",
                text: "\(ProcessInfo.processInfo.activeProcessorCount) of \(ProcessInfo.processInfo.processorCount)"),
        ]
    }

    private func memory() -> [Finding] {
        let fields = Machine.fields("/proc/meminfo")
        let total = Machine.bytes(fields["MemTotal"]).map(PlanReport.bytes) ?? "unknown"
        let available = Machine.bytes(fields["MemAvailable"]).map(PlanReport.bytes) ?? "unknown"
        let transparent = (try? String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/enabled", encoding: .utf8))
            .flatMap { text in text.split(separator: "[").last?.split(separator: "]").first.map(String.init) }
        let isOff = transparent == "never"
        return [
            Finding(subject: "memory", text: "\(total), \(available) available"),
            Finding(
                verdict: isOff ? .doubtful : .fine, subject: "huge pages",
                text: "transparent: \(transparent ?? "unknown"), reserved: \(fields["HugePages_Total"] ?? "unknown")"
                    + (isOff ? "; 'madvise' makes weights faster to read" : "")),
        ]
    }

    private func libraries() -> [Finding] {
        SystemLibrary.allCases.map { library in
            guard let version = library.version else {
                return Finding(
                    verdict: .wrong, subject: library.name, text: "missing; apt-get install \(library.package)")
            }
            if library == .libzmq, version.compare("4.3.4", options: .numeric) == .orderedAscending {
                return Finding(
                    verdict: .wrong, subject: library.name,
                    text: "\(version) has known holes; at least 4.3.4 is needed")
            }
            if library == .libzmq, !SystemLibrary.hasCURVE {
                return Finding(
                    verdict: .doubtful, subject: library.name,
                    text: "\(version), built without CURVE: clusters with a key do not run here")
            }
            return Finding(subject: library.name, text: version + (library == .libzmq ? ", with CURVE" : ""))
        }
    }

    private func limits() -> [Finding] {
        let files = Machine.limit("Max open files") ?? "unknown"
        let isLow = Int(files).map { $0 < 1024 } ?? false
        let locked = Machine.limit("Max locked memory") ?? "unknown"
        return [
            Finding(
                verdict: isLow ? .doubtful : .fine, subject: "open files",
                text: files + (isLow ? "; ulimit -n 4096" : "")),
            Finding(subject: "locked memory", text: Int(locked).map(PlanReport.bytes) ?? locked),
        ]
    }

    private func port(_ address: NetworkAddress, _ subject: String) -> Finding {
        if address.port == 0 { return Finding(subject: subject, text: "any that is free") }
        let isFree = Machine.isFree(port: address.port)
        return Finding(
            verdict: isFree ? .fine : .doubtful, subject: subject,
            text: isFree ? "\(address) is free" : "\(address) is in use, by a running cluster or something else")
    }
}
