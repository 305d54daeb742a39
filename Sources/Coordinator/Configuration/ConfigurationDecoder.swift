import Models
import Program
import Sharding
import Tensor
import Yams

/// Turns YAML nodes into a ``ClusterConfiguration``, section by section.
struct ConfigurationDecoder {
    let reader: ConfigurationReader
    /// The cluster file's name.
    let file: String
    let folder: String
    let checksFiles: Bool

    private static let keys = [
        "name", "model", "generation", "mesh", "objective", "rules", "overrides", "partial_sums", "wire", "workers",
        "links", "profile", "overlap", "data_plane", "control", "security", "server",
    ]

    /// The configuration; nil where something without which it cannot exist is wrong (and noted).
    func configuration(_ root: Node?) -> ClusterConfiguration? {
        let root = root.flatMap { ConfigurationReader.isNull($0) ? nil : $0 }
        let top = reader.section(root, keyPath: "", keys: Self.keys)
        if let root, top.values.isEmpty, root.mapping == nil { return nil }
        let name = reader.name(top, "name") ?? "tessera"
        let model = model(top)
        let generation = generation(top)
        let automatic = automaticMesh(top)
        let written = automatic == nil ? mesh(top) : nil
        let overrides = automatic == nil ? overrides(top, axes: written ?? []) : []
        var rules = LogicalAxisRules(LogicalAxis.defaultRules(mesh: ["data"]))
        if automatic == nil { rules = self.rules(top, axes: written ?? [], hasOverrides: !overrides.isEmpty) }
        rules.overrides = overrides
        let (launcher, workers, restarts) = workers(top, axes: written, isAutomatic: automatic != nil)
        let links = links(top, workers: workers)
        let profile = profile(top, workers: workers)
        let axes = automatic == nil ? written : workers.map { [Mesh.Axis("data", $0.count)] }
        let dataPlane = dataPlane(top, launcher: launcher.kind)
        let (control, advertisedHost) = control(top, launcher: launcher.kind)
        let security = security(
            top, control: control, advertisedHost: advertisedHost, dataHost: dataPlane.host)
        let server = server(top)
        if control.port == server.address.port, control.port != 0, server.isEnabled {
            reader.note(
                "port \(server.address.port) is the control port already; give them different ones",
                at: top.location(of: "server"), keyPath: "server.port")
        }
        guard let model, let axes, let workers, axes.reduce(1, { $0 * $1.size }) == workers.count else { return nil }
        return ClusterConfiguration(
            name: name, model: model, generation: generation, mesh: Mesh(axes, speeds: workers.map(\.speed)),
            rules: rules, launcher: launcher, workers: workers, restarts: restarts, automatic: automatic,
            links: links, partialSums: partialSums(top, dtype: model.dtype),
            wire: wire(top, dtype: model.dtype, workers: workers.count), measured: profile?.profile,
            overlap: overlap(top), dataPlane: dataPlane, control: control, advertisedHost: advertisedHost,
            security: security, server: server)
    }

    // MARK: Model

    private func model(_ top: ConfigurationSection) -> ModelSettings? {
        let section = reader.section(
            top.values["model"], keyPath: "model", keys: ["path", "preset", "dtype", "weights", "seed", "text_encoder"])
        let dtype = reader.choice(section, "dtype", of: ModelPrecision.allCases.map(\.rawValue))
            .flatMap(ModelPrecision.init)
        let weights = reader.choice(section, "weights", of: ModelSettings.Weights.allCases.map(\.rawValue))
            .flatMap(ModelSettings.Weights.init)
        let seed = reader.setting(section, "seed")
        let seedValue = seed.flatMap { UInt64($0.text) }
        if let seed, seedValue == nil {
            reader.note(
                "'\(reader.clipped(seed.text))' is not a whole number from 0 to \(UInt64.max)", at: seed.location,
                keyPath: seed.keyPath)
        }
        guard let source = modelSource(section, top: top) else { return nil }
        var settings = ModelSettings(source: source, weights: weights ?? .file, seed: seedValue ?? 0)
        if let dtype { settings.dtype = dtype }
        switch source {
        case .path where weights == .generated:
            reader.note(
                "generated weights need a preset; give 'preset' instead of 'path', or remove this line",
                at: section.location(of: "weights"), keyPath: "model.weights")
        case .preset(let name) where weights == .file:
            reader.note(
                "the preset '\(name)' has no files; give 'path' instead, or remove this line",
                at: section.location(of: "weights"), keyPath: "model.weights")
        case .path: settings.weights = .file
        case .preset: settings.weights = .generated
        }
        if let seed, settings.weights == .file {
            reader.note(
                "has no effect: weights come from files", at: seed.location, keyPath: seed.keyPath, severity: .warning)
        }
        settings.textEncoder = textEncoder(section, source: source)
        checkFolder(settings, section)
        return settings
    }

    /// The text encoder of a preset that leaves the choice.
    private func textEncoder(_ section: ConfigurationSection, source: ModelSettings.Source) -> String? {
        guard let choice = reader.choice(section, "text_encoder", of: T5Configuration.sizes) else { return nil }
        if case .preset(let name) = source, MuseConfiguration.presets.contains(name) { return choice }
        reader.note(
            "only presets of the muse family leave the text encoder open; remove this line",
            at: section.location(of: "text_encoder"), keyPath: "model.text_encoder",
            allowed: MuseConfiguration.presets)
        return nil
    }

    private func modelSource(_ section: ConfigurationSection, top: ConfigurationSection) -> ModelSettings.Source? {
        let path = reader.setting(section, "path")
        let preset = reader.setting(section, "preset")
        switch (path, preset) {
        case (nil, nil):
            guard section.values["path"] == nil, section.values["preset"] == nil else { return nil }
            reader.note(
                "say which model: 'path' (a folder) or 'preset'", at: top.location(of: "model"), keyPath: "model",
                allowed: ModelSettings.presets)
            return nil
        case (let path?, let preset?) where path.layer == preset.layer:
            reader.note("give either 'path' or 'preset', not both", at: preset.location, keyPath: "model.preset")
            return nil
        case (let path?, let preset) where path.layer > preset?.layer ?? -1:
            guard case .text = path.location, !path.text.hasPrefix("/") else { return .path(path.text) }
            return .path(folder + path.text)
        default:
            return reader.choice(section, "preset", of: ModelSettings.presets).map { .preset($0) }
        }
    }

    private func checkFolder(_ settings: ModelSettings, _ section: ConfigurationSection) {
        guard checksFiles, case .path(let path) = settings.source, !BoundedFile.isFolder(path),
            let setting = reader.setting(section, "path")
        else { return }
        reader.note("there is no folder '\(path)'", at: setting.location, keyPath: "model.path")
    }

    private func generation(_ top: ConfigurationSection) -> GenerationSettings {
        let section = reader.section(
            top.values["generation"], keyPath: "generation",
            keys: ["steps", "guidance_scale", "guidance_schedule", "temperature"])
        return GenerationSettings(
            steps: reader.integer(section, "steps", in: 1...GenerationPlan.Limits.steps),
            guidanceScale: reader.real(section, "guidance_scale", in: 0...100).map { Float($0) },
            guidanceSchedule: reader.choice(
                section, "guidance_schedule", of: GuidanceSchedule.allCases.map(\.rawValue)
            ).flatMap(GuidanceSchedule.init),
            temperature: reader.real(section, "temperature", in: 0...100).map { Float($0) })
    }

    // MARK: Network

    private func dataPlane(_ top: ConfigurationSection, launcher: LauncherKind) -> DataPlaneSettings {
        let section = reader.section(
            top.values["data_plane"], keyPath: "data_plane",
            keys: ["host", "carrier", "join_deadline", "load_deadline", "collective_deadline", "call_deadline"])
        var settings = DataPlaneSettings()
        func deadline(_ key: String) -> Duration? {
            reader.quantity(
                section, key, units: Quantity.timeUnits, in: 100...86_400_000, rangeText: "between 100ms and 24h",
                example: "30s"
            ).map { .milliseconds($0) }
        }
        settings.host = host(section)
        let carrier = reader.choice(section, "carrier", of: Carrier.allCases.map(\.rawValue))
        settings.carrier = carrier.flatMap(Carrier.init) ?? settings.carrier
        settings.joinDeadline = deadline("join_deadline") ?? DataPlaneSettings.joinDeadline(of: launcher)
        settings.loadDeadline = deadline("load_deadline") ?? settings.loadDeadline
        settings.collectiveDeadline = deadline("collective_deadline") ?? settings.collectiveDeadline
        settings.callDeadline = deadline("call_deadline") ?? settings.callDeadline
        return settings
    }
}

extension ConfigurationReader.Setting {
    /// Precedence of the layer that it came from.
    fileprivate var layer: Int {
        switch location {
        case .environment: 0
        case .file, .text: 1
        case .flag: 2
        }
    }
}
