import Foundation
import Testing

/// What the command says and how it ends, seen from outside.
@Suite(.timeLimit(.minutes(2))) struct CommandLineTests {
    @Test func versionGoesToStandardOutput() throws {
        let outcome = try CommandLineTool.run(["version"])
        #expect(outcome.code == 0)
        #expect(outcome.output.hasPrefix("tessera "))
        #expect(outcome.errors.isEmpty)
        #expect(try CommandLineTool.run(["--version"]).output.dropLast() == outcome.output.dropLast().dropFirst(8))
    }

    @Test func aGoodFileIsSummedUp() throws {
        let outcome = try CommandLineTool.run(["validate", "cluster.yaml"])
        #expect(outcome.code == 0)
        #expect(
            outcome.output
                == "demo: model Models/shapes, bf16; mesh guidance 2 x model 2; 4 workers\n")
        #expect(outcome.errors.isEmpty)
    }

    @Test(arguments: ["validate", "plan", "up"])
    func aBadFileEndsWith78(command: String) throws {
        let file = "Tests/Golden/Configuration/mesh-axis-twice"
        let outcome = try CommandLineTool.run([command, "\(file).yaml"])
        #expect(outcome.code == 78)
        #expect(outcome.output.isEmpty)
        let golden = try String(
            contentsOf: CommandLineTool.root.appending(path: "\(file).txt"), encoding: .utf8)
        #expect(outcome.errors == golden.replacing("mesh-axis-twice.yaml", with: "\(file).yaml"))
    }

    @Test func aMissingFileEndsWith78() throws {
        let outcome = try CommandLineTool.run(["generate", "x", "--config", "nowhere.yaml"])
        #expect(outcome.code == 78)
        #expect(outcome.errors.contains("nowhere.yaml: error: cannot be read: no such file or directory"))
    }

    @Test(arguments: [
        (["nonsense"], "Unexpected argument 'nonsense'"), (["generate"], "Missing expected argument '<prompt>'"),
        (["generate", " "], "The prompt is empty"), (["generate", "x", "--steps", "0"], "--steps takes 1 to 1000"),
        (["generate", "x", "--size", "1000000x2"], "--size"), (["generate", "x", "--size", "0x256"], "--size"),
        (["generate", "x", "--mask", "m.png"], "--mask needs --image"),
        (["generate", "x", "--strength", "0.5"], "--strength needs --image"),
        (["generate", "x", "--image", "a.png", "--strength", "1.5"], "--strength takes more than 0 up to 1"),
        (["generate", "x", "-n", "0"], "-n takes 1 to 64"), (["generate", "x", "--seed", "-3"], "--seed"),
        (["generate", "x", "--guidance-scale", "nan"], "--guidance-scale takes 0 to 100"),
        (["generate", "x", "-o", "nowhere/x.png"], "There is no folder 'nowhere/'"),
        (["generate", "x", "-o", "Sources"], "is a folder"),
        (["worker", "--connect", "here", "--name", "a", "--cluster-id", "b"], "--connect takes an address"),
        (["worker", "--connect", "tcp://h:0", "--name", "a", "--cluster-id", "b"], "--connect takes an address"),
        (["validate", "--set", "port"], "--set takes KEY=VALUE"),
    ])
    func wrongUsageEndsWith2(arguments: [String], message: String) throws {
        let outcome = try CommandLineTool.run(arguments)
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test func helpTeaches() throws {
        for command in ["up", "generate", "plan", "bench", "validate", "doctor", "worker", "version"] {
            let outcome = try CommandLineTool.run(["help", command])
            #expect(outcome.code == 0)
            #expect(outcome.output.contains("USAGE: tessera \(command)"))
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") })
        }
    }

    @Test func flagsHaveTwinsInTheEnvironment() throws {
        let twin = ["TESSERA_STEPS": "0"]
        let refused = try CommandLineTool.run(["generate", "x"], environment: twin)
        #expect(refused.errors.contains("--steps takes 1 to 1000, not 0"))
        let missing = try CommandLineTool.run(["generate", "x", "--steps=5", "-c", "nowhere.yaml"], environment: twin)
        #expect(missing.code == 78)
        let file = try CommandLineTool.run(["validate"], environment: ["TESSERA_CONFIG": "nowhere.yaml"])
        #expect(file.errors.hasPrefix("nowhere.yaml:"))
        let setting = try CommandLineTool.run(["validate"], environment: ["TESSERA_SERVER_PORT": "x"])
        #expect(setting.errors.hasPrefix("environment variable TESSERA_SERVER_PORT: error: server.port:"))
    }

    @Test func doctorNamesWhatItFinds() throws {
        let outcome = try CommandLineTool.run(["doctor", "cluster.yaml", "--set", "control.port=0"])
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        let subjects = [
            "instruction set", "cores", "memory", "libzmq", "OpenBLAS", "libpng", "libjpeg", "SQLite",
            "any that is free",
        ]
        for subject in subjects {
            #expect(outcome.output.contains(subject))
        }
    }
}
