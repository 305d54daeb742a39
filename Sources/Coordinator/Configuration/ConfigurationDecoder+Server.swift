import Glibc
import Yams

extension ConfigurationDecoder {
    /// The `server:` section; problems are noted.
    func server(_ top: ConfigurationSection) -> ServerSettings {
        let section = reader.section(
            top.values["server"], keyPath: "server",
            keys: [
                "enabled", "host", "port", "queue", "batch", "slots", "keys", "cors", "limits", "jobs", "results",
                "public_url",
            ])
        var settings = ServerSettings()
        if let enabled = reader.choice(section, "enabled", of: ["true", "false"]) {
            settings.isEnabled = enabled == "true"
        }
        settings.address = NetworkAddress(
            host: host(section) ?? settings.address.host,
            port: reader.integer(section, "port", in: 0...65535) ?? settings.address.port)
        settings.queueLimit = reader.integer(section, "queue", in: 1...10_000) ?? settings.queueLimit
        settings.batchLimit = reader.integer(section, "batch", in: 1...64) ?? settings.batchLimit
        settings.slots = reader.integer(section, "slots", in: 1...1024)
        settings.keysPath = keysPath(section)
        settings.origins = origins(section)
        settings.limits = limits(section)
        settings.jobs = jobs(section)
        settings.results = results(section)
        settings.publicURL = publicURL(section)
        if settings.isEnabled, !settings.address.isLoopback, settings.keysPath == nil,
            reader.setting(section, "keys") == nil, let host = reader.setting(section, "host")
        {
            reader.note(
                "'\(reader.clipped(host.text))' can be reached from other machines; say with 'server.keys' who may "
                    + "use it, or take 127.0.0.1", at: host.location, keyPath: host.keyPath)
        }
        return settings
    }

    /// Origins (RFC 6454, 6.2) whose pages may use the server.
    private func origins(_ section: ConfigurationSection) -> [String] {
        guard let node = section.values["cors"], !ConfigurationReader.isNull(node) else { return [] }
        guard case .sequence(let sequence) = node, sequence.count <= 64 else {
            reader.note(
                "a list of at most 64 origins belongs here, such as ['https://studio.example']",
                at: ConfigurationReader.location(of: node), keyPath: "server.cors")
            return []
        }
        return sequence.enumerated().compactMap { index, item in
            if case .scalar(let scalar) = item, Self.isOrigin(scalar.string) { return scalar.string.lowercased() }
            reader.note(
                "an origin is a scheme and a host, without a path: 'https://studio.example' or 'http://localhost:3000'; "
                    + "there is no '*'", at: ConfigurationReader.location(of: item), keyPath: "server.cors[\(index)]")
            return nil
        }
    }

    private static func isOrigin(_ text: String) -> Bool {
        text.utf8.count <= 300
            && text.wholeMatch(of: /https?:\/\/([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/) != nil
    }

    private func limits(_ server: ConfigurationSection) -> ServerSettings.Limits {
        let section = reader.section(
            server.values["limits"], keyPath: "server.limits", keys: ["body", "prompt", "pictures", "pixels"])
        var limits = ServerSettings.Limits()
        func bytes(_ key: String, in range: ClosedRange<Int>, _ text: String, example: String) -> Int? {
            reader.quantity(
                section, key, units: Quantity.byteUnits, in: range, rangeText: text, example: example)
        }
        let promptMax = GenerationPlan.Limits.promptBytes
        limits.bodyByteCount =
            bytes("body", in: (16 << 10)...(1 << 30), "between 16KiB and 1GiB", example: "32MiB")
            ?? limits.bodyByteCount
        limits.promptByteCount =
            bytes(
                "prompt", in: 1...promptMax, "between 1B and \(Quantity.describe(bytes: promptMax))", example: "4KiB")
            ?? limits.promptByteCount
        limits.pictures =
            reader.integer(section, "pictures", in: 1...GenerationPlan.Limits.pictures) ?? limits.pictures
        limits.pixels = reader.integer(section, "pixels", in: 1...(64 << 20)) ?? limits.pixels
        return limits
    }

    /// A file, by default beside the cluster file and called like it, or `off`.
    private func jobs(_ section: ConfigurationSection) -> ServerSettings.JobStorage {
        guard let setting = reader.setting(section, "jobs") else {
            let name = file.split(separator: "/").last.map(String.init) ?? "cluster.yaml"
            let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
            return .file(folder + (stem.isEmpty ? "cluster" : stem) + ".jobs.sqlite")
        }
        if setting.text == "off" { return .memory }
        guard case .text = setting.location, !setting.text.hasPrefix("/") else { return .file(setting.text) }
        return .file(folder + setting.text)
    }

    private func results(_ server: ConfigurationSection) -> ServerSettings.Retention {
        let section = reader.section(
            server.values["results"], keyPath: "server.results", keys: ["seconds", "bytes"])
        var results = ServerSettings.Retention()
        results.seconds = reader.integer(section, "seconds", in: 1...31_536_000) ?? results.seconds
        results.byteCount =
            reader.quantity(
                section, "bytes", units: Quantity.byteUnits, in: (1 << 20)...(1 << 40),
                rangeText: "between 1MiB and 1TiB", example: "1GiB") ?? results.byteCount
        return results
    }

    private func publicURL(_ section: ConfigurationSection) -> String? {
        guard let setting = reader.setting(section, "public_url") else { return nil }
        let text = setting.text.hasSuffix("/") ? String(setting.text.dropLast()) : setting.text
        let scheme = ["http://", "https://"].first { text.hasPrefix($0) }
        let isPlain = text.utf8.count <= 1024 && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard let scheme, text.count > scheme.count, isPlain, !text.contains("?"), !text.contains("#"),
            !text.contains("\"")
        else {
            reader.note(
                "'\(reader.clipped(setting.text))' is not an address like 'https://pictures.example.org'",
                at: setting.location, keyPath: setting.keyPath)
            return nil
        }
        return text
    }

    /// Path of the keys file, from the cluster file's folder; it must be a file that others cannot read.
    private func keysPath(_ section: ConfigurationSection) -> String? {
        guard let setting = reader.setting(section, "keys") else { return nil }
        var path = setting.text
        if case .text = setting.location, !path.hasPrefix("/") { path = folder + path }
        guard checksFiles else { return path }
        var status = stat()
        guard stat(path, &status) == 0 else {
            reader.note("there is no file '\(path)'", at: setting.location, keyPath: setting.keyPath)
            return nil
        }
        if status.st_mode & S_IFMT != S_IFREG {
            reader.note("'\(path)' is not a file", at: setting.location, keyPath: setting.keyPath)
        } else if status.st_mode & 0o077 != 0 {
            reader.note(
                "'\(path)' can be used by others (mode 0\(String(status.st_mode & 0o777, radix: 8))); run "
                    + "'chmod 600' on it", at: setting.location, keyPath: setting.keyPath)
        }
        return path
    }
}
