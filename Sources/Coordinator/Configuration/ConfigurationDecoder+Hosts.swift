import Program
import Yams

extension ConfigurationDecoder {
    /// The workers of `workers.hosts`: `count` on each host, in the order of the list; nil where the list is wrong.
    func hosted(
        _ node: Node, _ section: ConfigurationSection, common: WorkerSettings, axes: [Mesh.Axis]?
    ) -> [WorkerSettings]? {
        let limit = ClusterConfiguration.deviceCountMax
        guard case .sequence(let sequence) = node, (1...limit).contains(sequence.count) else {
            reader.note(
                "a list of 1 to \(limit) hosts belongs here, such as [{host: node-a, count: 2}]",
                at: ConfigurationReader.location(of: node), keyPath: "workers.hosts")
            return nil
        }
        var workers: [WorkerSettings] = []
        for (index, item) in sequence.enumerated() {
            let entry = reader.section(
                item, keyPath: "workers.hosts[\(index)]", keys: ["host", "count", "data_host"] + Self.settingKeys)
            var worker = settings(entry, defaults: common)
            worker.host = host(entry, extra: "@")
            worker.dataHost = host(entry, "data_host")
            if entry.node?.mapping != nil, entry.values["host"] == nil {
                reader.note(
                    "say which host", at: ConfigurationReader.location(of: item), keyPath: entry.path(of: "host"))
            }
            for _ in 0..<(reader.integer(entry, "count", in: 1...limit) ?? 1) where workers.count <= limit {
                worker.name = "worker-\(workers.count)"
                workers.append(worker)
            }
        }
        let deviceCount = axes?.reduce(1) { $0 * $1.size } ?? min(workers.count, limit)
        if deviceCount != workers.count {
            reader.note(
                "\(workers.count == 1 ? "1 worker" : "\(workers.count) workers") for \(describe(axes ?? [])); the numbers "
                    + "must agree", at: section.location(of: "hosts"), keyPath: "workers.hosts")
            return nil
        }
        return workers
    }

    /// How workers come to life.
    func launcher(_ section: ConfigurationSection) -> LauncherSettings {
        let kind = reader.choice(section, "launcher", of: LauncherKind.allCases.map(\.rawValue))
        var settings = LauncherSettings(kind.flatMap(LauncherKind.init) ?? .local)
        settings.ssh = remote(section, "ssh", defaults: settings.ssh)
        settings.slurm = remote(section, "slurm", defaults: settings.slurm)
        checkHosts(section, settings.kind)
        return settings
    }

    /// Where hosts are needed, and where they say nothing.
    private func checkHosts(_ section: ConfigurationSection, _ kind: LauncherKind) {
        switch kind {
        case .ssh where section.values["hosts"] == nil:
            reader.note(
                "'ssh' needs 'hosts': the machines to start workers on",
                at: reader.setting(section, "launcher")?.location ?? section.location(of: "launcher"),
                keyPath: "workers.launcher")
        case .local, .slurm:
            guard section.values["hosts"] != nil else { return }
            let why =
                kind == .local ? "local workers run on this machine" : "Slurm's allocation says which hosts there are"
            reader.note(
                "\(why); give 'count' or 'list', or another 'launcher'", at: section.location(of: "hosts"),
                keyPath: "workers.hosts")
        case .ssh, .external: break
        }
    }

    private func remote(
        _ workers: ConfigurationSection, _ key: String, defaults: LauncherSettings.Remote
    ) -> LauncherSettings.Remote {
        let section = reader.section(
            workers.values[key], keyPath: "workers.\(key)", keys: ["command", "options", "executable", "directory"])
        var remote = defaults
        remote.command = path(section, "command") ?? remote.command
        remote.executable = path(section, "executable")
        remote.directory = path(section, "directory")
        guard let node = section.values["options"], !ConfigurationReader.isNull(node) else { return remote }
        guard case .sequence(let sequence) = node, sequence.count <= 64 else {
            reader.note(
                "a list of at most 64 words belongs here, such as ['-p', '2222']",
                at: ConfigurationReader.location(of: node), keyPath: section.path(of: "options"))
            return remote
        }
        remote.options = sequence.enumerated().compactMap { index, item in
            if case .scalar(let scalar) = item, Self.isWord(scalar.string) { return scalar.string }
            reader.note(
                "an option is a word of at most 4096 bytes", at: ConfigurationReader.location(of: item),
                keyPath: "\(section.path(of: "options"))[\(index)]")
            return nil
        }
        return remote
    }

    /// A path on a machine that this one does not see.
    private func path(_ section: ConfigurationSection, _ key: String) -> String? {
        guard let setting = reader.setting(section, key) else { return nil }
        guard Self.isWord(setting.text) else {
            reader.note("a path of 1 to 4096 bytes belongs here", at: setting.location, keyPath: setting.keyPath)
            return nil
        }
        guard !setting.text.hasPrefix("~") else {
            reader.note(
                "'~' stands for nothing here; a relative path counts from the home folder there", at: setting.location,
                keyPath: setting.keyPath)
            return nil
        }
        return setting.text
    }

    private static func isWord(_ text: String) -> Bool {
        (1...4096).contains(text.utf8.count) && !text.utf8.contains(0)
    }
}
