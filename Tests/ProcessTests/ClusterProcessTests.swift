import Foundation
import Testing

/// Whole clusters of real processes, seen from the command line.
@Suite(.timeLimit(.minutes(5)), .serialized) struct ClusterProcessTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    private func picture(_ name: String, _ arguments: [String]) throws -> Data {
        let path = folder.appending(path: "\(name).png").path
        let all = ["generate", "a red fox", "--seed", "7", "--steps", "3", "-o", path] + arguments
        let outcome = try CommandLineTool.run(all)
        try #require(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output == "\(path)\n")
        return try Data(contentsOf: URL(filePath: path))
    }

    /// What follows the texts of a PNG, of which the record names the mesh.
    private func pixels(_ png: Data) throws -> Data {
        let start = try #require(png.range(of: Data("IDAT".utf8))).lowerBound
        return png[start...]
    }

    @Test func aRunningClusterMakesTheSamePictureAsOneOfTheCall() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let alone = try picture("alone", ["--set", "control.port=0"])
        let cluster = try RunningCluster()
        let served = try picture("served", ["--set", "control.port=\(cluster.port)"])
        #expect(alone == served)
        let edited = try picture(
            "edited",
            [
                "--set", "control.port=\(cluster.port)", "--image", folder.appending(path: "served.png").path,
                "--strength", "0.5",
            ])
        #expect(edited != served)
        let workers = cluster.workers
        #expect(workers.count == 4)
        #expect(try cluster.end(SIGTERM).code == 0)
        #expect(workers.allSatisfy { kill($0, 0) != 0 })
    }

    @Test func oneWorkerMakesTheSamePictureAsFour() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "one.yaml")
        let shipped = try String(contentsOf: CommandLineTool.root.appending(path: "cluster.yaml"), encoding: .utf8)
        let alone = shipped.replacing("guidance: 2", with: "guidance: 1").replacing("model: 2", with: "model: 1")
            .replacing("count: 4", with: "count: 1").replacing("port: 29600", with: "port: 0")
            .replacing("path: Models", with: "path: \(CommandLineTool.root.path)/Models")
        try Data(alone.utf8).write(to: file)
        let one = try picture("one", ["-c", file.path])
        let four = try picture("four", ["--set", "control.port=0"])
        #expect(try pixels(one) == pixels(four))
    }

    @Test func aLostWorkerEndsAClusterThatStartsNoneAnew() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let cluster = try RunningCluster(set: ["workers.restarts=0"])
        let worker = try #require(cluster.command.workers.first)
        kill(worker.id, SIGKILL)
        let outcome = try cluster.command.finish()
        #expect(outcome.code == 1 && outcome.errors.contains(worker.name), "\(outcome.errors)")
    }

    @Test func workersEndWithAKilledCoordinator() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let cluster = try RunningCluster()
        #expect(cluster.workers.count == 4)
        #expect(try cluster.end(SIGKILL).code == 128 + SIGKILL)
    }

    @Test(arguments: [["--size", "100x100"], ["--image", "cluster.yaml"], ["--image", "nowhere.png"]])
    func ordersThatCannotBeServedStartNothing(arguments: [String]) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let outcome = try CommandLineTool.run(
            ["generate", "x", "--set", "control.port=0", "-o", folder.appending(path: "x.png").path] + arguments)
        #expect(outcome.code == 1 || outcome.code == 2)
        #expect(!outcome.errors.contains("starting"))
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
}
