import Foundation
import Tensor
import Testing

/// `tessera batch`: many orders, one cluster.
@Suite(.timeLimit(.minutes(5)), .serialized) struct BatchTests {
    private func write(_ lines: [String], _ atelier: Atelier) throws -> String {
        let path = atelier.path("orders.jsonl")
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: path))
        return path
    }

    @Test func everyOrderIsThePictureThatItIsAlone() throws {
        let atelier = try Atelier()
        let settings = #""steps": 3, "size": "192x128""#
        let file = try write(
            [
                #"{"prompt": "a red fox", "name": "fox", "seed": 5, \#(settings)}"#, "",
                #"{"prompt": "a hat", \#(settings)}"#,
                #"{"prompt": "a blue hat", "name": "edit", "seed": 9, "steps": 3, "image": "source.png"}"#,
            ], atelier)
        let source = try atelier.pictures(.preset, prompt: "a house", arguments: ["--seed", "3", "--steps", "2"])[0]
        try source.write(to: URL(filePath: atelier.path("source.png")))
        let cluster = try atelier.cluster("\(Atelier.Model.preset.line)\nworkers: {count: 2}\nmesh: {model: 2}")
        let folder = atelier.path("new/pictures")
        let outcome = try ObservedCommand.run(["batch", file, "--config", cluster, "-o", folder])
        try #require(outcome.code == 0, "\(outcome.errors)")
        let paths = ["fox", "3", "edit"].map { "\(folder)/\($0).png" }
        #expect(outcome.output.split(separator: "\n").map(String.init) == paths)
        #expect(outcome.errors.components(separatedBy: "starting 2 workers").count == 2, "one cluster for all")
        func made(_ name: String) throws -> [UInt8] {
            try pixels(Data(contentsOf: URL(filePath: "\(folder)/\(name).png"))).bytes
        }
        func alone(_ prompt: String, _ arguments: [String]) throws -> [UInt8] {
            try pixels(atelier.pictures(.preset, prompt: prompt, arguments: ["--steps", "3"] + arguments)[0]).bytes
        }
        #expect(try made("fox") == alone("a red fox", ["--seed", "5"]))
        #expect(try made("3") == alone("a hat", ["--seed", "3"]))
        #expect(
            try made("edit")
                == alone("a blue hat", ["--seed", "9", "--image", atelier.path("source.png")]))
    }

    @Test func everyWrongLineIsNamedBeforeAnythingStarts() throws {
        let atelier = try Atelier()
        let file = try write(
            [
                #"{"prompt": ""}"#, #"[1]"#, #"{"promt": "x"}"#, #"{"prompt": "a", "seed": -1}"#,
                #"{"prompt": "a", "image": "nope.png"}"#, "{bad", #"{"prompt": "a", "steps": true}"#,
                #"{"prompt": "a", "strength": 0}"#, #"{"prompt": "a", "mask": null, "strength": 0.5}"#,
                #"{"prompt": "a", "name": "../b"}"#, #"{"prompt": "a", "name": "c"}"#, #"{"prompt": "a", "name": "c"}"#,
                #"{"prompt": "a", "size": "big"}"#,
            ], atelier)
        let folder = atelier.path("pictures")
        let outcome = try ObservedCommand.run(["batch", file, "-o", folder])
        #expect(outcome.code == 2)
        let says = [
            "1: \"prompt\" is missing or empty", "2: the line is no JSON object", "3: there is no key 'promt'",
            "4: \"seed\" is no whole number", "5: \"image\": ", "6: the line is no JSON object",
            "7: \"steps\" is no whole number", "8: \"strength\" is no number", "9: \"mask\" and \"strength\" need",
            "10: \"name\" is no file name", "12: the name 'c' is that of line 11 too", "13: \"size\": ",
        ]
        for text in says { #expect(outcome.errors.contains("\(file):\(text)"), "\(text) in \(outcome.errors)") }
        #expect(!FileManager.default.fileExists(atPath: folder))
        for (lines, message) in [([], "holds no orders"), ([" ", ""], "holds no orders")] {
            let outcome = try ObservedCommand.run(["batch", try write(lines, atelier), "-o", folder])
            #expect(outcome.code == 2 && outcome.errors.contains(message))
        }
        let missing = try ObservedCommand.run(["batch", atelier.path("none.jsonl"), "-o", folder])
        #expect(missing.code == 2 && missing.errors.contains("none.jsonl"))
    }
}
