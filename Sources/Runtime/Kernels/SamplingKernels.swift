import CKernels
import Program
import Tensor

/// Guidance, the choice of tokens with its random numbers, and re-masking.
enum SamplingKernels {
    private static func noise(_ context: OperationContext) -> tk_noise {
        switch context.attributes.text("noise") {
        case "generated": TK_NOISE_GENERATED
        case "given": TK_NOISE_GIVEN
        case "none": TK_NOISE_NONE
        default: preconditionFailure("noise is generated, given or none")
        }
    }

    static func guide(_ context: OperationContext) -> Kernel {
        let (logits, scale, out) = (context.operands[0], context.operands[1], context.result)
        context.check(logits.isWhole(0) && scale.dtype == .f32, "both halves are here, and the scale is f32")
        let batch = out.shape[0]
        let count = out.shape.dropFirst().reduce(1, *)
        context.check(
            logits.count == logits.sizes[0] * out.count && scale.count == batch, "there is a scale for each picture")
        let halves = logits.sizes[0]
        let (size, outSize) = (count * logits.dtype.byteCount, count * out.dtype.byteCount)
        let pool = context.pool
        let captures = (logits.place, scale.place, out.place, halves == 2 ? batch * size : 0, size, outSize)
        return {
            for picture in 0..<batch {
                pool.blocks(count, grain: 16384, (captures, picture)) { captured, part, _ in
                    let ((logits, scale, out, distance, size, outSize), picture) = captured.pointee
                    let first = logits.pointer + picture * size
                    let second = distance > 0 ? first + distance : nil
                    tk_guide(
                        out.pointer + picture * outSize, out.real, first, second, logits.real, part.lowerBound,
                        part.upperBound, scale.floats[picture])
                }
            }
        }
    }

    /// Positions of the local part in the whole token grid [B, Y, X]: what random numbers are counted by.
    private struct Grid: BitwiseCopyable {
        let rows: Int
        let columns: Int
        let firstRow: Int
        let firstColumn: Int
        let width: Int

        /// - Parameter value: a buffer [B, Y, X, …].
        init(_ value: Operand) {
            rows = value.shape[1]
            columns = value.shape[2]
            firstRow = value.ranges[1].lowerBound
            firstColumn = value.ranges[2].lowerBound
            width = value.sizes[2]
        }

        func picture(_ index: Int) -> Int { index / (rows * columns) }
        func position(_ index: Int) -> UInt32 {
            UInt32((firstRow + index / columns % rows) * width + firstColumn + index % columns)
        }
    }

    static func choose(_ context: OperationContext) -> Kernel {
        let (logits, out) = (context.operands[0], context.result)
        let noise = noise(context)
        let operand = context.operands.count > 1 ? context.operands[1] : nil
        let count = logits.shape[3]
        let tokens = logits.shape.dropLast().reduce(1, *)
        context.check(out.dtype == .f32 && out.count == tokens * 3, "the result is an f32 triple a token")
        switch noise {
        case TK_NOISE_GENERATED:
            context.check(operand?.dtype == .i32 && operand?.shape == [logits.shape[0], 4], "rng is i32[B, 4]")
        case TK_NOISE_GIVEN: context.check(operand?.shape == logits.shape, "the noise has the logits' part")
        default: break
        }
        let grid = Grid(logits)
        let first = logits.ranges[3].lowerBound
        let (pool, grain) = (context.pool, context.grain(rowElements: 8 * count))
        let captures = (logits.place, operand?.place, out.place, noise, grid, first, count)
        return {
            pool.blocks(tokens, grain: grain, captures) { captured, part, _ in
                let (logits, operand, out, noise, grid, first, count) = captured.pointee
                let given = noise == TK_NOISE_GIVEN ? operand?.pointer : nil
                let givenType = noise == TK_NOISE_GIVEN ? operand?.real ?? TK_F32 : TK_F32
                let rng = noise == TK_NOISE_GENERATED ? operand?.integers : nil
                for token in part {
                    tk_choose(
                        out.floats + token * 3, logits.pointer, logits.real, token * count, first, count, noise,
                        given, givenType, rng.map { $0 + grid.picture(token) * 4 }, grid.position(token))
                }
            }
        }
    }

    static func choiceIndex(_ context: OperationContext) -> Kernel {
        let (choice, out) = (context.operands[0], context.result)
        context.check(
            choice.dtype == .f32 && out.dtype == .i32 && choice.count == out.count * 3, "triples become indices")
        let (choices, indices) = (choice.place, out.place)
        return { tk_choice_index(indices.integers, choices.floats, indices.count) }
    }

    static func acceptTokens(_ context: OperationContext) -> Kernel {
        let (tokens, choice, out) = (context.operands[0], context.operands[1], context.result)
        context.check(
            tokens.dtype == .i32 && out.dtype == .i32 && choice.dtype == .f32 && tokens.shape == out.shape
                && choice.count == out.count * 3, "there is a choice for each token")
        let mask = Int32(context.attributes.int("maskToken"))
        let (old, choices, new) = (tokens.place, choice.place, out.place)
        return { tk_accept_tokens(new.integers, old.integers, choices.floats, new.count, mask) }
    }

    static func confidence(_ context: OperationContext) -> Kernel {
        let (tokens, choice, out) = (context.operands[0], context.operands[1], context.result)
        let (greatest, sums, temperature) = (context.operands[2], context.operands[3], context.operands[4])
        let operand = context.operands.count > 5 ? context.operands[5] : nil
        let noise = noise(context)
        context.check(
            tokens.dtype == .i32 && [choice, greatest, sums, temperature].allSatisfy { $0.dtype == .f32 }
                && out.dtype == .f32 && tokens.shape == out.shape && choice.count == out.count * 3
                && greatest.count == out.count && sums.count == out.count && temperature.count == out.shape[0],
            "choice, maximum, sum and temperature fit the tokens")
        switch noise {
        case TK_NOISE_GENERATED:
            context.check(operand?.dtype == .i32 && operand?.shape == [out.shape[0], 4], "rng is i32[B, 4]")
        case TK_NOISE_GIVEN:
            context.check(operand?.dtype == .f32 && operand?.shape == out.shape, "the noise has the tokens' part")
        default: break
        }
        let mask = Int32(context.attributes.int("maskToken"))
        let grid = Grid(out)
        let places = (tokens.place, choice.place, greatest.place, sums.place, temperature.place, out.place)
        let noisePlace = operand?.place
        return {
            let (tokens, choice, greatest, sums, temperature, out) = places
            let operand = noisePlace
            for token in 0..<out.count {
                let picture = grid.picture(token)
                var gumbel: Float = 0
                if let operand, noise == TK_NOISE_GENERATED {
                    gumbel = tk_confidence_noise(operand.integers + picture * 4, grid.position(token))
                } else if let operand, noise == TK_NOISE_GIVEN {
                    gumbel = operand.floats[token]
                }
                out.floats[token] = tk_confidence(
                    tokens.integers[token] == mask ? 1 : 0, choice.floats[token * 3 + 2], greatest.floats[token],
                    sums.floats[token], temperature.floats[picture], gumbel)
            }
        }
    }

    static func remask(_ context: OperationContext) -> Kernel {
        let (sampled, confidence, maskCount) = (context.operands[0], context.operands[1], context.operands[2])
        let out = context.result
        context.check(
            sampled.dtype == .i32 && maskCount.dtype == .i32 && out.dtype == .i32 && sampled.shape == out.shape
                && confidence.shape == out.shape && maskCount.count == out.shape[0], "operands fit the tokens")
        context.check((1..<out.rank).allSatisfy(out.isWhole), "a picture's tokens are all here")
        let count = out.shape.dropFirst().reduce(1, *)
        let mask = Int32(context.attributes.int("maskToken"))
        context.scratch.reserve(shared: count * 4)
        let (scratch, pictures) = (context.scratch.places, out.shape[0])
        let places = (sampled.place, confidence.place, maskCount.place, out.place)
        return {
            let (sampled, confidence, maskCount, out) = places
            for picture in 0..<pictures {
                tk_remask(
                    out.integers + picture * count, sampled.integers + picture * count, confidence.pointer,
                    confidence.real, picture * count, count, maskCount.integers[picture], mask,
                    scratch.shared.assumingMemoryBound(to: Float.self))
            }
        }
    }
}
