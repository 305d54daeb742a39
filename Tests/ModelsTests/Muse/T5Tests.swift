import Models
import Testing

@Suite("T5 text encoder")
struct T5Tests {
    /// Starts of the shared buckets of the published encoders: 8, 12, 16, 23, 32, 46, 64, 91.
    @Test("relative positions fall into the published buckets")
    func buckets() {
        let positions = RelativePositions(bucketCount: 32, distanceMax: 128)
        #expect(positions.thresholds == [12, 16, 23, 32, 46, 64, 91])
        let expected: [(Int, Int)] = [
            (0, 0), (-1, 1), (1, 17), (-7, 7), (7, 23), (-8, 8), (-11, 8), (-12, 9), (-15, 9), (-16, 10), (-22, 10),
            (-23, 11), (31, 27), (32, 28), (-45, 12), (46, 29), (-63, 13), (-64, 14), (-90, 14), (-91, 15),
            (-5000, 15), (5000, 31),
        ]
        for (offset, bucket) in expected { #expect(positions.bucket(offset) == bucket, "\(offset)") }
    }

    @Test("bytes are three higher, then the end; nothing is all padding")
    func bytes() {
        let tokenizer = ByteTokenizer(maxLength: 8)
        #expect(tokenizer.encodePadded("fox").ids == [105, 114, 123, 1, 0, 0, 0, 0])
        #expect(tokenizer.encodePadded("fox").cutCount == 0)
        #expect(tokenizer.encodePadded("é").ids == [198, 172, 1, 0, 0, 0, 0, 0])
        #expect(tokenizer.encodePadded("").ids == [0, 0, 0, 0, 0, 0, 0, 0])
        let long = tokenizer.encodePadded("a long prompt")
        #expect(long.ids.count == 8 && long.ids.last == 1 && long.cutCount == 6)
        #expect(tokenizer.encodePadded("sevenby").cutCount == 0)
    }

    @Test("the sizes are the published ones")
    func sizes() throws {
        for name in T5Configuration.sizes {
            let c = try #require(T5Configuration.published(name, length: 128))
            #expect(c.headSize == 64 && c.vocabularySize >= ByteTokenizer.idCount)
        }
        #expect(T5Configuration.published("t5-huge", length: 128) == nil)
    }
}
