package import Coordinator
package import Models
import Tensor

/// An order as it is kept: everything that decides its pictures and its turn, except the picture that is edited
/// and its deadline, which is over when the process has ended.
package struct StoredOrder: Sendable, Hashable, Codable {
    /// What is done with the picture that was sent.
    package enum Editing: String, Sendable, Hashable, Codable {
        case variation
        case inpainting
    }

    /// The picture that is edited, as PNG files.
    package struct Input: Sendable, Hashable {
        /// Its pixels.
        package var image: [UInt8]
        /// White where it is made anew.
        package var mask: [UInt8]?
    }

    /// Prompts.
    package var prompts: [String]
    /// What pictures move away from.
    package var negativePrompt: String?
    /// Pictures of each prompt.
    package var picturesPerPrompt: Int
    /// Width in pixels.
    package var width: Int?
    /// Height in pixels.
    package var height: Int?
    /// Decoding steps.
    package var steps: Int?
    /// Guidance scale.
    package var guidanceScale: Float?
    /// How guidance goes over the steps.
    package var guidanceSchedule: GuidanceSchedule?
    /// Temperature of the first and the last step.
    package var temperature: TemperatureRange?
    /// Decides everything random.
    package var seed: UInt64
    /// What the model is told of the picture it imitates.
    package var microConditioning: GenerationRequest.MicroConditioning
    /// What is done with the picture that was sent; nil: there is none.
    package var editing: Editing?
    /// Part of the steps that is run on it.
    package var strength: Double?
    /// How often each picture is shown before it is done.
    package var previewCount: Int
    /// Name of the key that it came with; empty without one.
    package var client: String
    /// Among the same client's orders the higher goes first.
    package var priority: Int
    /// What its pictures are written as; nil: PNG.
    package var format: PictureFormat?

    /// What is kept of an order.
    package init(_ order: PictureOrder) {
        let request = order.request
        prompts = request.prompts
        negativePrompt = request.negativePrompt
        picturesPerPrompt = request.picturesPerPrompt
        (width, height, steps) = (request.width, request.height, request.steps)
        (guidanceScale, guidanceSchedule) = (request.guidanceScale, request.guidanceSchedule)
        (temperature, seed) = (request.temperature, request.seed)
        microConditioning = request.microConditioning
        strength = request.editing?.strength
        editing =
            switch request.editing {
            case .inpainting: .inpainting
            case .variation: .variation
            case nil: nil
            }
        (previewCount, client, priority) = (order.previewCount, order.client, order.priority)
        format = order.format == .png ? nil : order.format
    }

    /// The picture of an order, and its mask; nil where it has none.
    ///
    /// Throws ``PictureError`` where they are larger than any file that is written.
    package static func input(of order: PictureOrder) throws(PictureError) -> Input? {
        switch order.request.editing {
        case .variation(let image, _): return Input(image: try PNGFile.encode(image))
        case .inpainting(let image, let mask, _):
            var bytes: [UInt8] = []
            bytes.reserveCapacity(mask.bytes.count * 3)
            for value in mask.bytes { for _ in 0..<3 { bytes.append(value) } }
            let wide = HostTensor(dtype: .u8, dims: mask.dims + [3], bytes: bytes)
            return Input(image: try PNGFile.encode(image), mask: try PNGFile.encode(wide))
        case nil: return nil
        }
    }

    /// The order again.
    ///
    /// Throws ``PictureError`` where the input is none of ``input(of:)``.
    package func order(_ input: Input?) throws(PictureError) -> PictureOrder {
        var request = GenerationRequest(prompts: prompts, seed: seed)
        request.negativePrompt = negativePrompt
        request.picturesPerPrompt = picturesPerPrompt
        (request.width, request.height, request.steps) = (width, height, steps)
        (request.guidanceScale, request.guidanceSchedule) = (guidanceScale, guidanceSchedule)
        request.temperature = temperature
        request.microConditioning = microConditioning
        if let editing {
            guard let input else { throw .unknownFormat }
            let image = try PNGFile.decode(input.image).rgb
            switch editing {
            case .variation: request.editing = .variation(image: image, strength: strength ?? 1)
            case .inpainting:
                guard let mask = input.mask else { throw .unknownFormat }
                let wide = try PNGFile.decode(mask).rgb
                let bytes = stride(from: 0, to: wide.bytes.count, by: 3).map { wide.bytes[$0] }
                let grey = HostTensor(dtype: .u8, dims: Array(wide.dims.prefix(2)), bytes: bytes)
                request.editing = .inpainting(image: image, mask: grey, strength: strength ?? 1)
            }
        }
        return PictureOrder(
            request, previewCount: previewCount, client: client, priority: priority, format: format ?? .png)
    }
}
