import Foundation
import Server
import Synchronization
import Tensor
import Testing

/// In bf16 a picture's pixels are the same bytes on any mesh of real processes.
@Suite(.timeLimit(.minutes(5)), .serialized) struct SamePictureTests {
    /// A mesh, and what is made on it.
    struct Layout: Sendable, CustomTestStringConvertible {
        var name: String
        /// Lines of the cluster file.
        var lines: String
        var workers: Int
        var count = 1
        var testDescription: String { name }
    }

    static let layouts = [
        Layout(name: "guidance 2", lines: "mesh: {guidance: 2}", workers: 2),
        Layout(name: "model 2", lines: "mesh: {model: 2}", workers: 2),
        Layout(name: "model 3", lines: "mesh: {model: 3}", workers: 3),
        Layout(name: "model 4", lines: "mesh: {model: 4}", workers: 4),
        Layout(name: "guidance 2 x model 2", lines: "mesh: {guidance: 2, model: 2}", workers: 4),
        Layout(name: "tokens 2", lines: "mesh: {tokens: 2}", workers: 2),
        Layout(name: "rows 2", lines: "mesh: {rows: 2}", workers: 2),
        Layout(name: "data 2 with 4 pictures", lines: "mesh: {data: 2}", workers: 2, count: 4),
        Layout(
            name: "model 2 with speeds 1:2",
            lines: "mesh: {model: 2}\nworkers: {threads: 1, list: [{speed: 1}, {speed: 2}]}", workers: 2),
    ]

    /// What one worker makes, by model and number of pictures.
    private static let references = Mutex<[String: [HostTensor]]>([:])

    private static func reference(_ model: Atelier.Model, count: Int) throws -> [HostTensor] {
        try references.withLock { references in
            let key = "\(model) \(count)"
            if let known = references[key] { return known }
            let made = try Atelier().pictures(model, count: count).map { try pixels($0) }
            references[key] = made
            return made
        }
    }

    @Test(arguments: Atelier.Model.allCases, layouts)
    func samePictureOnAnyMesh(model: Atelier.Model, layout: Layout) throws {
        let one = try Self.reference(model, count: layout.count)
        let made = try Atelier().pictures(model, mesh: layout.lines, workers: layout.workers, count: layout.count)
            .map { try pixels($0) }
        #expect(made == one, "\(model.rawValue) on \(layout.name) is not what one worker makes")
        #expect(Set(one).count == layout.count, "pictures of one prompt repeat")
        let size = one[0].dims
        print("same picture: \(model.rawValue), \(size[1]) x \(size[0]), \(layout.count): \(layout.name) = one worker")
    }

    /// In int8 too, and the picture says that it was made so.
    @Test(arguments: Atelier.Model.allCases)
    func int8PicturesAreTheSameAndSaySo(model: Atelier.Model) throws {
        let arguments = ["--set", "model.dtype=int8"]
        let one = try Atelier().pictures(model, arguments: arguments)[0]
        let record = try #require(try ReproducibilityRecord.read(from: try PNGFile.decode(Array(one))))
        #expect(record.dtype == "int8")
        let three = try Atelier().pictures(model, mesh: "mesh: {model: 3}", workers: 3, arguments: arguments)[0]
        #expect(try pixels(three) == pixels(one))
        #expect(try pixels(one) != Self.reference(model, count: 1)[0])
    }

    /// With int8 on the wire a mesh makes its own picture, the same one over any carrier, and the picture says so.
    @Test(arguments: [("model: 2", 2), ("guidance: 2, model: 2", 4)])
    func int8MessagesMakeTheSamePictureOnTheSameMeshAndSaySo(mesh: String, workers: Int) throws {
        let made = try ["auto", "zeromq"].map { carrier in
            try Atelier().pictures(
                .preset, mesh: "mesh: {\(mesh)}\nwire: int8\ndata_plane: {carrier: \(carrier)}", workers: workers)[0]
        }
        let record = try #require(try ReproducibilityRecord.read(from: try PNGFile.decode(Array(made[0]))))
        #expect(record.wire == "int8")
        #expect(try pixels(made[0]) == pixels(made[1]))
        #expect(try pixels(made[0]) != Self.reference(.preset, count: 1)[0])
    }

    /// A picture depends on its index, not on those beside it.
    @Test(arguments: Atelier.Model.allCases)
    func aPictureDoesNotDependOnItsBatch(model: Atelier.Model) throws {
        let four = try Self.reference(model, count: 4)
        #expect(try Self.reference(model, count: 1) == Array(four.prefix(1)))
        #expect(try Self.reference(model, count: 3) == Array(four.prefix(3)))
    }

    /// Another seed, prompt or number of steps is another picture: the comparisons above can fail.
    @Test func otherOrdersMakeOtherPictures() throws {
        let atelier = try Atelier()
        let one = try Self.reference(.checkpoint, count: 1)[0]
        for (prompt, arguments) in [
            ("a red fox", ["--steps", "2"]), ("a blue hat", []), ("a red fox", ["--seed", "8"]),
        ] {
            let other = try atelier.pictures(.checkpoint, prompt: prompt, arguments: arguments)[0]
            #expect(try pixels(other) != one)
        }
    }
}
