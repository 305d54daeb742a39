/// Gives flags their twins in the environment: `TESSERA_GUIDANCE_SCALE=3` stands for `--guidance-scale 3`.
///
/// Keys of the cluster file have twins of their own (`TESSERA_CONTROL_PORT`), which the file wins over.
enum EnvironmentFlags {
    /// Flags with twins, by subcommand.
    private static let flags: [String: [String]] = [
        "generate": [
            "config", "negative-prompt", "seed", "steps", "guidance-scale", "temperature", "count", "size", "image",
            "mask", "strength", "output", "trace",
        ],
        "worker": ["connect", "name", "cluster-id", "data-host", "wait", "key-file"],
    ]

    /// The arguments with those of the environment put behind the subcommand's name.
    static func expand(_ arguments: [String], environment: [String: String]) -> [String] {
        guard let command = arguments.first, let names = flags[command] else { return arguments }
        let given = Set(arguments.prefix { $0 != "--" }.map { $0.prefix { $0 != "=" } })
        var added: [String] = []
        for name in names {
            let variable = "TESSERA_" + (prefixes[command] ?? "") + name.uppercased().replacing("-", with: "_")
            guard let value = environment[variable], !value.isEmpty else { continue }
            let spellings = ["--\(name)"] + (shortNames[name].map { ["-\($0)"] } ?? [])
            if spellings.allSatisfy({ !given.contains($0[...]) }) { added.append("--\(name)=\(value)") }
        }
        return [command] + added + arguments.dropFirst()
    }

    /// Keeps `--name` of a worker apart from `name` in the cluster file.
    private static let prefixes = ["worker": "WORKER_"]
    private static let shortNames = ["config": "c", "count": "n", "output": "o"]
}
