import Foundation
public import Tensor

/// Resizing of 8-bit pictures with a Lanczos window of three lobes, bit for bit as Pillow does it.
///
/// One pass along columns and one along rows, each rounded to bytes, with weights of 22 fractional bits (as Pillow 13
/// does; older versions always start with columns). The reference pipelines resize pictures and masks with it.
public enum ImageResize {
    private static let precision = 22
    private static let support = 3.0

    /// Resizes u8[H, W, C] (or u8[H, W]); the tensor itself where the size is already right.
    public static func lanczos(_ image: HostTensor, width: Int, height: Int) -> HostTensor {
        precondition(image.dtype == .u8 && (2...3).contains(image.dims.count), "a picture is u8 [H, W] or [H, W, C]")
        precondition(width > 0 && height > 0 && image.elementCount > 0, "a picture has at least one pixel")
        let (rows, columns) = (image.dims[0], image.dims[1])
        let channels = image.dims.count == 3 ? image.dims[2] : 1
        var bytes = image.bytes
        func resampleRows(width: Int) {
            guard height != rows else { return }
            bytes = resample(
                bytes, outer: 1, from: rows, to: height, inner: width * channels, windows: windows(rows, height))
        }
        func resampleColumns(height: Int) {
            guard width != columns else { return }
            bytes = resample(
                bytes, outer: height, from: columns, to: width, inner: channels, windows: windows(columns, width))
        }
        // Rows go first where far more of them vanish than of columns; the order shows in the rounding between.
        if rows > height && rows - height > 2 * (columns - width) {
            resampleRows(width: columns)
            resampleColumns(height: height)
        } else {
            resampleColumns(height: rows)
            resampleRows(width: width)
        }
        return HostTensor(dtype: .u8, dims: [height, width] + image.dims.dropFirst(2), bytes: bytes)
    }

    /// Luma of RGB bytes as Pillow converts it (ITU-R 601-2 in 16-bit fixed point).
    public static func luma(_ image: HostTensor) -> HostTensor {
        precondition(image.dtype == .u8 && image.dims.count == 3 && image.dims[2] == 3, "a picture is u8 [H, W, 3]")
        let bytes = stride(from: 0, to: image.bytes.count, by: 3).map { index -> UInt8 in
            let red = Int(image.bytes[index]) * 19595
            let green = Int(image.bytes[index + 1]) * 38470
            let blue = Int(image.bytes[index + 2]) * 7471
            return UInt8((red + green + blue + 0x8000) >> 16)
        }
        return HostTensor(dtype: .u8, dims: Array(image.dims.prefix(2)), bytes: bytes)
    }

    /// Which tokens a mask u8[H, W] covers: resized to the token grid, then 0.5 and more counts.
    ///
    /// The reference pipeline resizes to the grid rounded down to a multiple of the pixels per token, and fails where
    /// that is not the grid; here the grid itself is used, which is the same wherever the reference works.
    public static func tokenMask(_ mask: HostTensor, rows: Int, columns: Int) -> [Bool] {
        lanczos(mask, width: columns, height: rows).bytes.map { $0 >= 128 }
    }

    /// Source range and fixed-point weights of each output pixel.
    private static func windows(_ from: Int, _ to: Int) -> [(first: Int, weights: [Int])] {
        let scale = Double(from) / Double(to)
        let filterScale = max(scale, 1)
        let reach = support * filterScale
        return (0..<to).map { index in
            let center = (Double(index) + 0.5) * scale
            let first = max(0, Int(center - reach + 0.5))
            let end = min(from, Int(center + reach + 0.5))
            var weights = (first..<end).map { window((Double($0) - center + 0.5) * (1 / filterScale)) }
            let sum = weights.reduce(0, +)
            if sum != 0 { weights = weights.map { $0 / sum } }
            let one = Double(1 << precision)
            return (first, weights.map { Int($0 < 0 ? -0.5 + $0 * one : 0.5 + $0 * one) })
        }
    }

    private static func window(_ x: Double) -> Double {
        guard x >= -support, x < support else { return 0 }
        return sinc(x) * sinc(x / support)
    }

    private static func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(x * .pi) / (x * .pi)
    }

    /// Resamples the middle dimension of bytes [outer, from, inner].
    private static func resample(
        _ bytes: [UInt8], outer: Int, from: Int, to: Int, inner: Int, windows: [(first: Int, weights: [Int])]
    ) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: outer * to * inner)
        var sums = [Int](repeating: 0, count: inner)
        for row in 0..<outer {
            for (index, window) in windows.enumerated() {
                for lane in 0..<inner { sums[lane] = 1 << (precision - 1) }
                for (offset, weight) in window.weights.enumerated() {
                    let start = (row * from + window.first + offset) * inner
                    for lane in 0..<inner { sums[lane] += Int(bytes[start + lane]) * weight }
                }
                let start = (row * to + index) * inner
                for lane in 0..<inner { result[start + lane] = UInt8(clamping: sums[lane] >> precision) }
            }
        }
        return result
    }
}
