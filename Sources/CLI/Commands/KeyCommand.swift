import ArgumentParser
import Transport

/// `tessera key`.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Makes the key of a cluster.",
        discussion: """
            With a key, coordinator, workers and commands talk only to those who have it, and what travels between \
            machines is encrypted (CURVE). A cluster that other machines can reach must have one.

              tessera key --out cluster.key           Makes a key, in a file that only you can read.
              tessera key --check cluster.key         Is the file usable, and which key is it?

            Name it in the cluster file, and copy it to the machines of workers that are started by hand:

              security: {key_file: cluster.key}       cluster.yaml
              scp -p cluster.key node2:               tessera worker --key-file cluster.key ...

            --check prints the key's fingerprint, which is no secret: copies of one key have the same.
            """)

    @Option(help: ArgumentHelp("The file to make; there must be none of that name.", valueName: "file"))
    var out: String?

    @Option(help: ArgumentHelp("A key file to look at.", valueName: "file"))
    var check: String?

    func validate() throws {
        if (out == nil) == (check == nil) {
            throw ValidationError("Say what to do: --out FILE makes a key, --check FILE looks at one.")
        }
    }

    func run() throws {
        if let out {
            let key = try ClusterKey.random()
            try ClusterKeyFile.write(key, to: out)
            Terminal.shared.result("\(out): \(key)")
        }
        if let check { Terminal.shared.result("\(check): \(try ClusterKeyFile.read(check))") }
    }
}
