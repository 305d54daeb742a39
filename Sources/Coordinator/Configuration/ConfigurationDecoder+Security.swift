import Program
import Transport
import Yams

extension ConfigurationDecoder {
    /// The `security:` section, `none` included; problems are noted, also those of addresses that others can reach.
    func security(
        _ top: ConfigurationSection, control: NetworkAddress, advertisedHost: String?, dataHost: String?
    ) -> SecuritySettings {
        var settings = SecuritySettings()
        if let word = reader.word(top, "security") {
            settings.isWaived = word.text == "none"
            if !settings.isWaived {
                reader.note(
                    "'\(reader.clipped(word.text))' is neither a mapping with a 'key_file' nor 'none'",
                    at: word.location, keyPath: "security", allowed: ["none"], written: word.text)
            }
            return settings
        }
        let section = reader.section(top.values["security"], keyPath: "security", keys: ["key_file", "data_plane"])
        let file = reader.setting(section, "key_file")
        settings.keyFile = file.map(keyFile)
        if let choice = reader.choice(section, "data_plane", of: ["encrypted", "plain"]) {
            settings.linkEncryption = choice == "plain" ? .none : .betweenHosts
            if file == nil, section.values["key_file"] == nil, let setting = reader.setting(section, "data_plane") {
                reader.note(
                    "has no effect without 'security.key_file'", at: setting.location, keyPath: setting.keyPath,
                    severity: .warning)
            }
        }
        if file == nil, section.values["key_file"] == nil {
            let danger = "order pictures and pose as workers"
            if !noteOpen(top, "control", "host", control.host, danger), let advertisedHost {
                noteOpen(top, "control", "advertise", advertisedHost, danger)
            }
            if let dataHost { noteOpen(top, "data_plane", "host", dataHost, "read and change what workers exchange") }
        }
        return settings
    }

    /// Path of the key file, from the cluster file's folder; where files are looked at, it must hold a key.
    private func keyFile(_ setting: ConfigurationReader.Setting) -> String {
        var path = setting.text
        if case .text = setting.location, !path.hasPrefix("/") { path = folder + path }
        guard checksFiles else { return path }
        do throws(ClusterKeyError) {
            _ = try ClusterKeyFile.read(path)
        } catch {
            reader.note(error.description, at: setting.location, keyPath: setting.keyPath)
        }
        return path
    }

    /// Notes an address of a cluster without a key that other machines can reach; false where they cannot.
    @discardableResult
    private func noteOpen(
        _ top: ConfigurationSection, _ section: String, _ key: String, _ host: String, _ danger: String
    ) -> Bool {
        if NetworkAddress(host: host, port: 0).isLoopback { return false }
        reader.note(
            "'\(reader.clipped(host))' can be reached from other machines, which could \(danger); name a key with "
                + "'security.key_file' ('tessera key --out FILE' makes one), say 'security: none' if everybody there is "
                + "trusted, or take 127.0.0.1", at: location(top, section, key), keyPath: "\(section).\(key)")
        return true
    }

    /// Where a setting was written, in whichever layer.
    private func location(
        _ top: ConfigurationSection, _ key: String, _ name: String
    ) -> ConfigurationProblem.Location {
        // Its problems were noted when it was read.
        var section = ConfigurationSection(keyPath: key, node: top.values[key], values: [:], keyNodes: [:])
        if let node = section.node?.mapping?[Node(name)], case .scalar = node { section.values[name] = node }
        return reader.setting(section, name)?.location ?? top.location(of: key)
    }
}
