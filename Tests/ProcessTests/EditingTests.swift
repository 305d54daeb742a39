import Foundation
import Tensor
import Testing

/// Given pictures are edited alike on any mesh.
@Suite(.timeLimit(.minutes(5)), .serialized) struct EditingTests {
    /// Edits on one worker and on four, and returns the pixels, which must be the same.
    private func edit(_ model: Atelier.Model, _ atelier: Atelier, _ arguments: [String]) throws -> HostTensor {
        let one = try pixels(atelier.pictures(model, arguments: arguments)[0])
        let four = try pixels(
            atelier.pictures(model, mesh: "mesh: {guidance: 2, model: 2}", workers: 4, arguments: arguments)[0])
        #expect(one == four, "\(model.rawValue) \(arguments) differs between one worker and guidance 2 x model 2")
        return one
    }

    private func source(_ model: Atelier.Model, _ atelier: Atelier) throws -> (path: String, pixels: HostTensor) {
        let file = try atelier.pictures(model, prompt: "a house", arguments: ["--seed", "3"])[0]
        let path = atelier.path("source.png")
        try file.write(to: URL(filePath: path))
        return (path, try pixels(file))
    }

    @Test(arguments: Atelier.Model.allCases)
    func imageToImage(model: Atelier.Model) throws {
        let atelier = try Atelier()
        let source = try source(model, atelier)
        let weak = try edit(model, atelier, ["--image", source.path, "--strength", "0.4"])
        let strong = try edit(model, atelier, ["--image", source.path, "--strength", "1"])
        #expect(weak.dims == source.pixels.dims && weak != source.pixels && weak != strong)
    }

    @Test(arguments: Atelier.Model.allCases)
    func inpainting(model: Atelier.Model) throws {
        let atelier = try Atelier()
        let source = try source(model, atelier)
        let (height, width) = (source.pixels.dims[0], source.pixels.dims[1])
        let mask = try atelier.mask("mask.png", width: width, height: height) { x, y in x < width / 4 && y < height / 4
        }
        let order = ["--image", source.path, "--mask", mask]
        let fox = try edit(model, atelier, order)
        let hat = try pixels(
            atelier.pictures(model, prompt: "a blue hat", arguments: order + ["--seed", "9"])[0])
        // Both keep the source's tokens outside the mask. The decoder normalises over the whole picture, so that a change
        // anywhere shows a little everywhere; far from the mask it must be much less.
        let inside = difference(fox, hat) { x, y in x < width / 4 && y < height / 4 }
        let outside = difference(fox, hat) { x, y in x > width / 2 || y > height / 2 }
        print("inpainting \(model.rawValue): mean difference inside the mask \(inside), far outside \(outside)")
        #expect(inside > 1.5 * outside && inside > 1)
        #expect(fox != source.pixels)
    }

    /// Mean absolute difference of the values where a condition holds.
    private func difference(_ a: HostTensor, _ b: HostTensor, where holds: (_ x: Int, _ y: Int) -> Bool) -> Double {
        let width = a.dims[1]
        var (sum, count) = (0, 0)
        for (index, (left, right)) in zip(a.bytes, b.bytes).enumerated()
        where holds(index / 3 % width, index / 3 / width) {
            sum += abs(Int(left) - Int(right))
            count += 1
        }
        return Double(sum) / Double(max(1, count))
    }
}
