import Foundation
import Glibc
import Testing

/// What a user can do wrong ends in one clear message and the right exit code, and leaves no process behind.
@Suite(.timeLimit(.minutes(5)), .serialized) struct BadInputTests {
    private static let preset = "model: {preset: amused-tiny}\n"

    @Test(arguments: [
        ("modle: {preset: amused-tiny}\n" + preset, [":1:1: error: modle: unknown key", "did you mean 'model'?"]),
        (
            preset + "mesh: {model: 2}\nrules: {heads: [model, model]}\n",
            ["mesh axis 'model' is used twice by this rule"]
        ),
        (
            preset + "mesh: {model: 2}\noverrides: [{parameter: 'transformer.*', dimensions: [model, model]}]\n",
            ["overrides[0].dimensions[1]: mesh axis 'model' is used twice by this parameter"]
        ),
        (preset + "mesh: {model: 2}\nworkers: {count: 3}\n", ["3 workers for 2 devices (model 2)"]),
        ("model: {preset: amused-tyny}\n", ["did you mean 'amused-tiny'?"]),
        ("model: {path: nowhere}\n", ["there is no folder"]),
    ])
    func aWrongFileEndsWith78(file: String, says: [String]) throws {
        let atelier = try Atelier()
        let path = try atelier.cluster(file)
        for command in [
            ["validate", path], ["up", path], ["generate", "x", "-c", path, "-o", atelier.path("x.png")],
        ] {
            let outcome = try ObservedCommand.run(command)
            #expect(outcome.code == 78 && outcome.output.isEmpty, "\(command[0]): \(outcome.errors)")
            for part in says { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
            #expect(outcome.errors.hasSuffix("\(path): 1 error\n"), "\(outcome.errors)")
        }
    }

    /// Rules that are right by themselves may still ask for one axis twice in a tensor of the model.
    @Test(arguments: ["plan", "up", "generate", "validate"])
    func rulesThatContradictEachOtherEndWith78(command: String) throws {
        let atelier = try Atelier()
        let path = try atelier.cluster(
            Self.preset + "mesh: {model: 2}\nrules: {guidance: model, heads: model, mlp: model}\n")
        let order = command == "generate" ? ["generate", "x", "-o", atelier.path("x.png"), "-c"] : [command]
        let outcome = try ObservedCommand.run(order + [path])
        #expect(outcome.code == 78 && outcome.output.isEmpty, "\(outcome.errors)")
        #expect(outcome.errors.contains("mesh axis model would split dimensions "), "\(outcome.errors)")
        #expect(outcome.errors.contains("map the two logical axes to different mesh axes"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("starting"), "no worker is started for rules that cannot work")
    }

    @Test(arguments: [
        (["--size", "0x0"], ["--size", "each 1 to 4096"]),
        (["--size", "100000x100000"], ["--size", "each 1 to 4096"]),
        (["--size", "64"], ["--size", "such as 256x256"]),
        (["--size", "100x100"], ["width is 100, allowed are multiples of 16", "height is 100"]),
        (["--size", "4096x4096"], ["width times height is 16777216 pixels, allowed are "]),
        (["--mask", "Tests/Fixtures/none.png"], ["--mask needs --image"]),
    ])
    func aWrongOrderEndsWith2(arguments: [String], says: [String]) throws {
        try refuse(arguments, says, code: 2)
    }

    @Test(arguments: ["", "  \t\n"])
    func anEmptyPromptEndsWith2(prompt: String) throws {
        let atelier = try Atelier()
        let outcome = try ObservedCommand.run(["generate", prompt, "-o", atelier.path("x.png")])
        #expect(outcome.code == 2 && outcome.errors.contains("The prompt is empty; say what to show."))
    }

    @Test func wrongPicturesAreNamed() throws {
        let atelier = try Atelier()
        let source = try atelier.mask("source.png", width: 64, height: 64) { x, y in x > y }
        let small = try atelier.mask("small.png", width: 32, height: 64) { _, _ in true }
        let black = try atelier.mask("black.png", width: 64, height: 64) { _, _ in false }
        let bytes = try Data(contentsOf: URL(filePath: source))
        try bytes.prefix(bytes.count / 2).write(to: URL(filePath: atelier.path("cut.png")))
        try Data("hello".utf8).write(to: URL(filePath: atelier.path("text.png")))
        try Data().write(to: URL(filePath: atelier.path("empty.png")))
        let cases: [([String], [String], Int32)] = [
            ([small], ["mask is 32x64", "the picture's size 64x64"], 2),
            ([black], ["mask covers no token"], 2),
            ([atelier.path("cut.png")], ["cut.png: the PNG is damaged", "ends too early"], 1),
            ([atelier.path("text.png")], ["text.png: the file is neither a PNG nor a JPEG"], 1),
            ([atelier.path("empty.png")], ["empty.png: the file is neither a PNG nor a JPEG"], 1),
            ([atelier.path("none.png")], ["none.png cannot be read: there is no such file"], 1),
            ([atelier.folder.path], ["is a folder"], 1),
        ]
        for (mask, says, code) in cases {
            try refuse(["--image", source, "--mask"] + mask, says, code: code)
            if code == 1 { try refuse(["--image"] + mask, says, code: code) }
        }
    }

    @Test func outputsThatCannotBeWrittenAreRefused() throws {
        let atelier = try Atelier()
        for (output, says) in [
            (atelier.path("no/x.png"), "There is no folder"), (atelier.folder.path, "is a folder"),
            ("/dev/null/x.png", "There is no folder"),
        ] {
            let outcome = try ObservedCommand.run(["generate", "x", "--set", "control.port=0", "-o", output])
            #expect(outcome.code == 2 && outcome.errors.contains(says), "\(outcome.errors)")
        }
        // Nobody can make files there, but root is told only when the picture is written; others before anything starts.
        let outcome = try ObservedCommand.run(
            ["generate", "x", "--set", "control.port=0", "--steps", "1", "-o", "/proc/x.png"])
        let expected =
            geteuid() == 0
            ? "tessera: error: /proc/x.png cannot be written: no such file or directory\n"
            : "The folder '/proc/' cannot be written to."
        #expect(outcome.code == (geteuid() == 0 ? 1 : 2) && outcome.output.isEmpty)
        #expect(outcome.errors.contains(expected), "\(outcome.errors)")
    }

    @Test func aLongPromptIsCutWithAWarning() throws {
        let atelier = try Atelier()
        let long = try atelier.pictures(.checkpoint, prompt: String(repeating: "a fox ", count: 100))
        let path = try atelier.cluster(Atelier.Model.checkpoint.line)
        let outcome = try ObservedCommand.run(
            [
                "generate", String(repeating: "a fox ", count: 200), "-c", path, "--seed", "7", "--steps", "3", "-o",
                atelier.path("x.png"),
            ])
        #expect(outcome.code == 0)
        #expect(outcome.errors.contains("warning: the prompt 'a fox a fox"), "\(outcome.errors)")
        #expect(outcome.errors.contains("is too long: its last "), "\(outcome.errors)")
        // What is left out changes nothing.
        #expect(try pixels(long[0]) == pixels(try Data(contentsOf: URL(filePath: atelier.path("x.png")))))
    }

    private func refuse(_ arguments: [String], _ says: [String], code: Int32) throws {
        let atelier = try Atelier()
        let outcome = try ObservedCommand.run(
            ["generate", "x", "-c", try atelier.cluster(Atelier.Model.checkpoint.line), "-o", atelier.path("x.png")]
                + arguments)
        #expect(outcome.code == code && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        for part in says { #expect(outcome.errors.contains(part), "\(arguments): \(outcome.errors)") }
        #expect(!outcome.errors.contains("starting"), "\(outcome.errors)")
    }
}
