import CKernels
import Testing

@Suite struct Im2colTests {
    /// A window over a picture of `height` x `width` x `channels` with the element at (y, x, c) equal to its index + 1.
    private func check(_ window: tk_window) {
        var window = window
        let (width, channels) = (window.width, window.channels)
        let columns = tk_window_columns(&window)
        let length = window.kernel_height * window.kernel_width * channels
        for y in 0..<tk_window_rows(&window) {
            func source(_ ky: Int) -> Int { (y * window.stride + ky - window.pad_low) }
            let touched = (0..<window.kernel_height).map(source).filter { $0 >= 0 }.map { $0 / window.upsample }
                .filter { $0 < window.height }
            let (lower, upper) = ((touched.min() ?? 0), (touched.max() ?? -1) + 1)
            var expected: [UInt32] = []
            for x in 0..<columns {
                for ky in 0..<window.kernel_height {
                    for kx in 0..<window.kernel_width {
                        let (sy, sx) = (source(ky), x * window.stride + kx - window.pad_low)
                        let inside =
                            sy >= 0 && sx >= 0 && sy < window.height * window.upsample
                            && sx < width * window.upsample
                        let pixel = (sy / window.upsample * width + sx / window.upsample) * channels + 1
                        expected += (0..<channels).map { inside ? UInt32(pixel + $0) : 0 }
                    }
                }
                expected += [9999, 9999]
            }
            let local = (lower * width * channels..<max(lower, upper) * width * channels).map { $0 + 1 }
            window.element_size = 4
            var wide = [UInt32](repeating: 9999, count: columns * (length + 2))
            tk_im2col(
                &window, y, 0, columns, local.map { UInt32($0) }, lower, max(0, upper - lower), &wide,
                length + 2)
            #expect(wide == expected, "row \(y) of \(window)")
            window.element_size = 2
            var narrow = [UInt16](repeating: 9999, count: columns * (length + 2))
            // In two parts.
            let middle = columns / 3
            narrow.withUnsafeMutableBufferPointer { narrow in
                for part in [0..<middle, middle..<columns] {
                    tk_im2col(
                        &window, y, part.lowerBound, part.upperBound, local.map { UInt16($0) }, lower,
                        max(0, upper - lower), narrow.baseAddress.map { $0 + part.lowerBound * (length + 2) },
                        length + 2)
                }
            }
            #expect(narrow.map { UInt32($0) } == expected, "row \(y) of \(window)")
        }
    }

    @Test("each window element is the picture's, or zero outside of it")
    func windows() {
        for (kernel, stride, low, high, upsample) in [
            (3, 1, 1, 1, 1), (3, 1, 1, 1, 2), (3, 2, 0, 1, 1), (1, 1, 0, 0, 1), (1, 2, 0, 0, 1), (4, 2, 1, 2, 2),
            (5, 3, 2, 2, 1), (2, 1, 3, 3, 1),
        ] {
            for (height, width, channels) in [(7, 5, 3), (4, 9, 1), (2, 2, 16)] {
                check(
                    tk_window(
                        height: height, width: width, channels: channels, kernel_height: kernel, kernel_width: kernel,
                        stride: stride, pad_low: low, pad_high: high, upsample: upsample, element_size: 4))
            }
        }
        check(
            tk_window(
                height: 6, width: 7, channels: 2, kernel_height: 2, kernel_width: 3, stride: 1, pad_low: 1, pad_high: 0,
                upsample: 1, element_size: 4))
    }
}
