import Foundation
import Tensor
import Testing

/// The cluster file and the checkpoint that ship with the project draw what they are asked for.
@Suite(.timeLimit(.minutes(5)), .serialized) struct DemoTests {
    /// The colours of the training pictures (Tools/demo/scenes.py).
    private static let palette: [String: (red: Int, green: Int, blue: Int)] = [
        "red": (214, 39, 40), "orange": (255, 140, 20), "yellow": (255, 225, 50), "green": (30, 150, 70),
        "blue": (35, 80, 220), "purple": (150, 60, 180), "white": (250, 250, 250), "black": (20, 20, 20),
    ]

    /// Where the pixels of each colour lie.
    private struct Areas {
        let total: Int
        private var sums: [String: (count: Int, x: Int, y: Int)] = [:]

        init(_ picture: HostTensor) {
            total = picture.dims[0] * picture.dims[1]
            for pixel in 0..<total {
                let (red, green, blue) = (
                    Int(picture.bytes[3 * pixel]), Int(picture.bytes[3 * pixel + 1]),
                    Int(picture.bytes[3 * pixel + 2])
                )
                func distance(_ colour: (red: Int, green: Int, blue: Int)) -> Int {
                    let (r, g, b) = (colour.red - red, colour.green - green, colour.blue - blue)
                    return r * r + g * g + b * b
                }
                let nearest = DemoTests.palette.min { distance($0.value) < distance($1.value) }
                guard let name = nearest?.key else { continue }
                let old = sums[name] ?? (0, 0, 0)
                sums[name] = (old.count + 1, old.x + pixel % picture.dims[1], old.y + pixel / picture.dims[1])
            }
        }

        /// Part of the picture that has a colour.
        func share(_ colour: String) -> Double { Double(sums[colour]?.count ?? 0) / Double(total) }

        /// Centre of a colour's pixels.
        func centre(_ colour: String) -> (x: Double, y: Double) {
            let sum = sums[colour] ?? (0, 0, 0)
            return (Double(sum.x) / Double(max(1, sum.count)), Double(sum.y) / Double(max(1, sum.count)))
        }
    }

    /// Draws with the shipped cluster file, on a port of the test's own.
    private func draw(_ prompt: String, seed: Int) throws -> Areas {
        let atelier = try Atelier()
        let output = atelier.path("out.png")
        let outcome = try ObservedCommand.run([
            "generate", prompt, "--seed", "\(seed)", "-o", output, "--set", "control.port=0",
        ])
        try #require(outcome.code == 0, "\(outcome.errors)")
        return Areas(try pixels(try Data(contentsOf: URL(filePath: output))))
    }

    @Test(arguments: [("red", "yellow"), ("blue", "white"), ("white", "green")])
    func oneObjectOnABackground(object: String, background: String) throws {
        let areas = try draw("a large \(object) circle on a \(background) background", seed: 1)
        // A large circle has 28 of 64 pixels across: 15 % of the picture.
        #expect((0.08...0.25).contains(areas.share(object)), "\(object) covers \(areas.share(object))")
        #expect(areas.share(background) > 0.6, "\(background) covers \(areas.share(background))")
    }

    @Test func twoObjectsStandAsTheyAreSaidTo() throws {
        let above = try draw("a large red circle above a small blue square on a yellow background", seed: 2)
        #expect(above.centre("red").y + 8 < above.centre("blue").y)
        #expect(above.share("red") > above.share("blue") && above.share("blue") > 0.01)
        let beside = try draw("a medium green square left of a medium black circle on a white background", seed: 3)
        #expect(beside.centre("green").x + 8 < beside.centre("black").x)
    }
}
