import Program
import Yams

extension ConfigurationDecoder {
    static let settingKeys = ["threads", "memory", "speed"]

    /// The workers; nil where their number is wrong (and noted).
    func workers(
        _ top: ConfigurationSection, axes: [Mesh.Axis]?, isAutomatic: Bool = false
    ) -> (launcher: LauncherSettings, workers: [WorkerSettings]?, restarts: Int) {
        let section = reader.section(
            top.values["workers"], keyPath: "workers",
            keys: ["launcher", "count", "list", "hosts", "restarts", "ssh", "slurm"] + Self.settingKeys)
        let launcher = launcher(section)
        let restarts = reader.integer(section, "restarts", in: 0...1000) ?? ClusterConfiguration.defaultRestarts
        let common = settings(section, defaults: WorkerSettings(name: ""))
        let count =
            reader.integer(section, "count", in: 1...ClusterConfiguration.deviceCountMax)
            ?? (isAutomatic && launcher.kind == .slurm && section.values["count"] == nil ? taskCount : nil)
        let deviceCount = axes?.reduce(1) { $0 * $1.size }
        noteExcess(section)
        if let hosts = section.values["hosts"] {
            return (launcher, hosted(hosts, section, common: common, axes: axes), restarts)
        }
        guard let list = section.values["list"] else {
            if let count, let deviceCount, count != deviceCount {
                reader.note(
                    "\(count) workers for \(describe(axes ?? [])); the numbers must agree",
                    at: location(section, top), keyPath: "workers.count")
            }
            if isAutomatic, count == nil, section.values["count"] == nil {
                reader.note(
                    "'mesh: auto' needs the number of workers; give 'count', 'list' or 'hosts'",
                    at: top.location(of: section.node == nil ? "mesh" : "workers"),
                    keyPath: "workers")
            }
            return (launcher, (deviceCount ?? count).map { Self.workers($0, common) }, restarts)
        }
        return (launcher, listed(list, section, common: common, axes: axes), restarts)
    }

    /// Tasks of the Slurm job that this process runs in; nil outside of one.
    private var taskCount: Int? {
        reader.variable("SLURM_NTASKS").flatMap { Int($0) }
            .flatMap { (1...ClusterConfiguration.deviceCountMax).contains($0) ? $0 : nil }
    }

    /// Only one key may say which workers there are.
    private func noteExcess(_ section: ConfigurationSection) {
        let given = ["list", "hosts", "count"].filter { section.values[$0] != nil }
        for key in given.dropFirst() {
            reader.note(
                "give either '\(key)' or '\(given[0])', not both", at: section.location(of: key),
                keyPath: section.path(of: key))
        }
    }

    private static func workers(_ count: Int, _ common: WorkerSettings) -> [WorkerSettings] {
        (0..<count).map { index in
            var worker = common
            worker.name = "worker-\(index)"
            return worker
        }
    }

    private func listed(
        _ node: Node, _ section: ConfigurationSection, common: WorkerSettings, axes: [Mesh.Axis]?
    ) -> [WorkerSettings]? {
        guard case .sequence(let sequence) = node, (1...ClusterConfiguration.deviceCountMax).contains(sequence.count)
        else {
            reader.note(
                "a list of 1 to \(ClusterConfiguration.deviceCountMax) workers belongs here",
                at: ConfigurationReader.location(of: node), keyPath: "workers.list")
            return nil
        }
        var firstLines: [String: Int] = [:]
        let workers = sequence.enumerated().map { index, item in
            let entry = reader.section(item, keyPath: "workers.list[\(index)]", keys: ["name"] + Self.settingKeys)
            var worker = settings(entry, defaults: common)
            worker.name = reader.name(entry, "name") ?? "worker-\(index)"
            if let first = firstLines[worker.name] {
                let place = entry.values["name"] ?? item
                reader.note(
                    "the name '\(worker.name)' is taken by the worker in line \(first)",
                    at: ConfigurationReader.location(of: place), keyPath: entry.path(of: "name"))
            }
            firstLines[worker.name] = firstLines[worker.name] ?? item.mark?.line ?? 0
            return worker
        }
        if let axes, axes.reduce(1, { $0 * $1.size }) != workers.count {
            reader.note(
                "\(workers.count) workers for \(describe(axes)); the numbers must agree",
                at: section.location(of: "list"), keyPath: "workers.list")
            return nil
        }
        return workers
    }

    /// What an entry says of its workers.
    func settings(_ section: ConfigurationSection, defaults: WorkerSettings) -> WorkerSettings {
        var worker = defaults
        worker.threads = reader.integer(section, "threads", in: 1...1024) ?? worker.threads
        worker.memoryByteCount =
            reader.quantity(
                section, "memory", units: Quantity.byteUnits, in: (1 << 20)...(1 << 50),
                rangeText: "between 1MiB and 1024TiB", example: "4GiB") ?? worker.memoryByteCount
        worker.speed = reader.real(section, "speed", in: 0.01...100) ?? worker.speed
        return worker
    }

    private func location(
        _ section: ConfigurationSection, _ top: ConfigurationSection
    ) -> ConfigurationProblem.Location {
        reader.setting(section, "count")?.location ?? top.location(of: "workers")
    }

    /// "4 devices (guidance 2 x model 2)".
    func describe(_ axes: [Mesh.Axis]) -> String {
        let count = axes.reduce(1) { $0 * $1.size }
        let shape = axes.isEmpty ? "no mesh" : axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
        return "\(count == 1 ? "1 device" : "\(count) devices") (\(shape))"
    }
}
