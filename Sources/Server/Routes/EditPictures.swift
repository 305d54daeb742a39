import Coordinator
import Tensor

/// The pictures of an edit: what is sent, and what of it is to be made anew.
enum EditPictures {
    /// Part of the steps that is run on a picture without a mask.
    static let variationStrength = 0.5

    /// The editing that a form's files ask for.
    ///
    /// The mask's fully transparent pixels are made anew; without a mask the picture's own are, and where it has none
    /// the whole picture is varied. Throws ``APIError``.
    static func editing(
        image: [UInt8], mask: [UInt8]?, strength: Double?, pixelLimit: Int
    ) throws(APIError) -> GenerationRequest.Editing {
        let picture = try decode(image, name: "image", pixelLimit: pixelLimit)
        let rgb = picture.rgb
        if let mask {
            let file = try decode(mask, name: "mask", pixelLimit: pixelLimit)
            guard file.pixels.dims.prefix(2) == picture.pixels.dims.prefix(2) else {
                throw .invalid(
                    "mask", "mask is \(size(file)), it must have the picture's size \(size(picture))",
                    code: "invalid_image")
            }
            guard file.hasAlpha else {
                throw .invalid(
                    "mask", "mask has no alpha channel: make what is to be painted fully transparent, in a PNG",
                    code: "invalid_image")
            }
            guard let hidden = file.transparency else {
                throw .invalid(
                    "mask", "mask has no fully transparent pixel: nothing is to be painted", code: "invalid_image")
            }
            return .inpainting(image: rgb, mask: hidden, strength: strength ?? 1)
        }
        if let hidden = picture.transparency {
            return .inpainting(image: rgb, mask: hidden, strength: strength ?? 1)
        }
        return .variation(image: rgb, strength: strength ?? variationStrength)
    }

    /// The editing of a variation: the picture's own transparency does not count.
    ///
    /// Throws ``APIError``.
    static func variation(
        image: [UInt8], strength: Double?, pixelLimit: Int
    ) throws(APIError) -> GenerationRequest.Editing {
        .variation(
            image: try decode(image, name: "image", pixelLimit: pixelLimit).rgb,
            strength: strength ?? variationStrength)
    }

    /// Decodes a file unless its header asks for more pixels than are allowed.
    private static func decode(_ bytes: [UInt8], name: String, pixelLimit: Int) throws(APIError) -> DecodedPicture {
        if let size = PictureKind.size(of: bytes) {
            let (pixels, isOverflow) = size.width.multipliedReportingOverflow(by: size.height)
            if isOverflow || pixels > pixelLimit {
                throw .tooLarge(
                    "\(name) has \(size.width)x\(size.height) pixels, allowed are \(pixelLimit)", param: name)
            }
        }
        do {
            return try DecodedPicture(file: bytes)
        } catch {
            throw .invalid(name, "\(name): \(error)", code: "invalid_image")
        }
    }

    private static func size(_ picture: DecodedPicture) -> String {
        "\(picture.pixels.dims[1])x\(picture.pixels.dims[0])"
    }
}
