extension ConfigurationDecoder {
    /// Where the coordinator listens, and where workers of other machines reach it.
    func control(
        _ top: ConfigurationSection, launcher: LauncherKind
    ) -> (address: NetworkAddress, advertisedHost: String?) {
        let section = reader.section(top.values["control"], keyPath: "control", keys: ["host", "port", "advertise"])
        let fallback = ClusterConfiguration.defaultControl
        let address = NetworkAddress(
            host: host(section) ?? fallback.host, port: reader.integer(section, "port", in: 0...65535) ?? fallback.port)
        let advertised = host(section, "advertise")
        if let advertised, NetworkAddress(host: advertised, port: 0).isWildcard {
            reader.note(
                "nobody can connect to '\(advertised)'; give an address of this machine that the workers reach",
                at: section.location(of: "advertise"), keyPath: "control.advertise")
        }
        if launcher != .local, advertised == nil, address.isLoopback {
            let place = reader.setting(section, "host")
            reader.note(
                "workers of other machines cannot reach '\(address.host)'; give an address of this machine, or 0.0.0.0 "
                    + "for all of them", at: place?.location ?? top.location(of: "workers"), keyPath: "control.host",
                severity: launcher == .external ? .warning : .error)
        }
        return (address, advertised)
    }

    /// A host's name or number.
    func host(_ section: ConfigurationSection, _ key: String = "host", extra: String = "") -> String? {
        guard let setting = reader.setting(section, key) else { return nil }
        let isHost =
            setting.text.utf8.count <= 253 && setting.text.first != "-" && !setting.text.isEmpty
            && setting.text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_:[]*\(extra)".contains($0)) }
        if isHost { return setting.text }
        reader.note(
            "'\(reader.clipped(setting.text))' is not the name or number of a host", at: setting.location,
            keyPath: setting.keyPath)
        return nil
    }
}
