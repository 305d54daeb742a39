import Foundation
import Tensor
import Testing

/// `tessera bench` and `--trace` as a user calls them.
@Suite(.timeLimit(.minutes(5)), .serialized) struct BenchCommandTests {
    @Test(arguments: [
        (["matmul", "--shape", "512x2048"], "such as 512x2048x8192"),
        (["matmul", "--shape", "0x1x1"], "such as 512x2048x8192"), (["matmul", "--dtype", "f16"], "--dtype"),
        (["matmul", "--threads", "0"], "--threads takes 1 to 1024"), (["rows", "--rows", "0"], "Sides are 1 to"),
        (["rows", "--runs", "0"], "--runs takes 1 to 1000"), (["attention", "--keys", "3"], "--keys needs --queries"),
        (["pointwise", "--columns", "1000"], "a multiple of 1024"),
        (["collective", "--workers", "1"], "--workers takes 2 to 64"),
        (["collective", "--payload", "1"], "--payload takes 128 bytes"),
        (["collective", "--kind", "broadcast"], "--kind"), (["step", "--preset", "nothing"], "There is no preset"),
        (["step", "--dtype", "f64"], "--dtype takes bf16, int8 or f32"), (["step", "--layout", "2x1"], "--layout"),
        (["image", "--trace", "nowhere/t.json"], "There is no folder"), (["image", "--steps", "0"], "--steps takes"),
        (["compile", "--layers", "0"], "--layers takes 1 to 1024"), (["compile", "--mesh", "4"], "--mesh takes"),
        (["compile", "--mesh", "data=99,model=99"], "--mesh takes"),
        (["compile", "--preset", "amused-256"], "of the muse family"),
        (["agreement", "--steps", "0"], "--steps takes"), (["serve", "--steps", "1"], "--steps takes 2 to 1000"),
        (["serve", "--clients", "0"], "--clients takes"), (["serve", "--preset", "nothing"], "There is no preset"),
        (["agreement", "--reference", "f8"], "--reference takes"),
        (["scaling", "--config", "cluster.yaml"], "makes its own layouts"), (["nonsense"], "Unexpected argument"),
    ])
    func wrongUsageEndsWith2(arguments: [String], message: String) throws {
        let outcome = try CommandLineTool.run(["bench"] + arguments)
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test func helpTeaches() throws {
        let all = [
            "matmul", "rows", "attention", "pointwise", "collective", "step", "image", "scaling", "compile", "start",
            "agreement", "serve",
        ]
        for command in all {
            let outcome = try CommandLineTool.run(["help", "bench", command])
            #expect(outcome.code == 0)
            #expect(outcome.output.contains("USAGE: tessera bench \(command)"))
        }
        let outcome = try CommandLineTool.run(["bench", "--help"])
        for command in all { #expect(outcome.output.contains("  \(command) ")) }
    }

    private func document(_ arguments: [String]) throws -> [String: Any] {
        let outcome = try CommandLineTool.run(["bench"] + arguments + ["--json"])
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    @Test func kernelsAreMeasuredOnAWorkerOfTheirOwn() throws {
        let report = try document(
            ["matmul", "--shape", "16x1024x2048", "--dtype", "bf16", "--threads", "1", "2", "--runs", "1"])
        #expect(report["benchmark"] as? String == "matmul")
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(figures.map { $0["threads"] as? Int } == [1, 2])
        #expect(figures.allSatisfy { ($0["ratio"] as? Double ?? 0) > 0 })
    }

    @Test func int8IsJudgedByTheStepsOfBF16() throws {
        let report = try document(["agreement", "--preset", "muse-tiny", "--steps", "3"])
        let figure = try #require((report["figures"] as? [[String: Any]])?.first)
        let details = try #require(figure["details"] as? [String: Double])
        // The first step has no guidance, and all 64 positions are open.
        #expect(details["steps"] == 3 && (details["openPositions"] ?? 0) > 64)
        #expect((figure["value"] as? Double ?? 0) > 0.5)
        let error = details["relativeLogitError"] ?? 0
        #expect(error > 0 && error < 0.2)
    }

    @Test func theServerIsMeasuredUnderItsOwnClients() throws {
        let report = try document(
            ["serve", "--steps", "3", "--requests", "2", "--clients", "2", "--set", "server.batch=2"])
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(figures.map { $0["unit"] as? String } == ["step/s", "step/s", "request/s", "request/s"])
        let alone = try #require(figures[0]["details"] as? [String: Double])
        #expect(alone["picturesPerStep"] == 1 && (alone["workerMedianSeconds"] ?? 0) > 0)
        #expect((alone["betweenCallsMedianSeconds"] ?? 0) > 0 && (alone["linkMedianSeconds"] ?? 0) > 0)
        for figure in figures[2...] {
            let details = try #require(figure["details"] as? [String: Double])
            #expect(details["requests"] == 2 && (details["processorSecondsPerRequest"] ?? -1) >= 0)
        }
    }

    @Test func theStartIsHeldAgainstWritingMemory() throws {
        let report = try document(["start", "--preset", "amused-tiny", "--layout", "2x1@model=2"])
        let figure = try #require((report["figures"] as? [[String: Any]])?.first)
        let details = try #require(figure["details"] as? [String: Double])
        #expect((figure["ratio"] as? Double ?? 0) > 0 && (details["timesOfWriting"] ?? 0) > 0)
        #expect((details["residentBytesPerWorker"] ?? 0) > (details["plannedBytesPerWorker"] ?? .infinity) / 2)
    }

    @Test func compilingIsMeasuredByLayers() throws {
        let report = try document(
            ["compile", "--preset", "muse-tiny", "--layers", "1", "3", "--mesh", "data=2,model=2", "--runs", "1"])
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(
            figures.compactMap { $0["subject"] as? String }
                == [1, 3].map { "muse-tiny bf16, \($0) layers on data 2 x model 2, step" })
    }

    @Test(arguments: [[], ["--in-process"]])
    func collectivesAreMeasuredBetweenWorkers(place: [String]) throws {
        let report = try document(
            ["collective", "--kind", "all-reduce", "--payload", "8192", "--runs", "1"] + place)
        let figure = try #require((report["figures"] as? [[String: Any]])?.first)
        #expect(figure["workers"] as? Int == 2 && figure["unit"] as? String == "B/s")
    }

    @Test func aPictureSaysWhereItsTimeWent() throws {
        let atelier = try Atelier()
        let file = atelier.path("image.json")
        let report = try document(
            ["image", "--preset", "amused-tiny", "--layout", "2x1@model=2", "--steps", "2", "--runs", "1"]
                + ["--trace", file])
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(figures.first?["subject"] as? String == "amused-tiny bf16 2x1@model=2, picture")
        let split = try #require(figures.first?["split"] as? [[String: Any]])
        #expect(split.count == 2)
        for worker in split {
            #expect((worker["compute"] as? Double ?? 0) > 0 && (worker["sentBytes"] as? Int ?? 0) > 0)
        }
        let trace = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file))) as? [String: Any]
        let events = try #require(trace?["traceEvents"] as? [[String: Any]])
        #expect(Set(events.compactMap { $0["pid"] as? Int }) == [0, 1, 2])
    }

    /// With one thread and several, within a worker and between workers, over shared memory and over ZeroMQ.
    @Test(arguments: [
        ("amused-tiny", "1x2", ["data_plane.carrier=auto"]),
        ("amused-tiny", "2x1@model=2", ["data_plane.carrier=zeromq"]),
        ("amused-tiny", "2x2@model=2", ["wire=int8"]), ("muse-tiny", "2x1@model=2", ["data_plane.carrier=auto"]),
    ])
    func stepsTakeNothingFromTheHeap(preset: String, layout: String, settings: [String]) throws {
        let report = try document(
            ["step", "--preset", preset, "--layout", layout, "--runs", "6", "--allocations"]
                + settings.flatMap { ["--set", $0] })
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(figures.count >= 3)
        for figure in figures {
            let (subject, details) = (figure["subject"] as? String ?? "", figure["details"] as? [String: Double])
            #expect(details?["allocations"] == 0, "\(subject): \(details ?? [:])")
            // The rest of a call does allocate, and shows that something counts.
            #expect((details?["allocationsAroundInstructions"] ?? 0) > 0, "\(subject)")
        }
    }

    @Test func stepsAreComparedOverLayouts() throws {
        let report = try document(
            ["scaling", "--preset", "amused-tiny", "--layout", "1x1", "2x1@guidance=2", "--runs", "2"])
        let figures = try #require(report["figures"] as? [[String: Any]])
        #expect(figures.map { $0["workers"] as? Int } == [1, 2])
        #expect((figures.first?["details"] as? [String: Double])?["relativeToFirst"] == 1)
    }

    @Test func aTracedPictureHasTheSameBytes() throws {
        let atelier = try Atelier()
        let file = atelier.path("trace.json")
        let arguments = ["--seed", "3", "--steps", "2"]
        let plain = try atelier.pictures(.preset, prompt: "a house", arguments: arguments)[0]
        let traced = try atelier.pictures(.preset, prompt: "a house", arguments: arguments + ["--trace", file])[0]
        #expect(try pixels(plain).bytes == pixels(traced).bytes)
        let trace = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file))) as? [String: Any]
        #expect((trace?["traceEvents"] as? [Any])?.isEmpty == false)
    }
}
