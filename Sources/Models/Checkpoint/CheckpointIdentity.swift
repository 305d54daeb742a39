extension Checkpoint {
    private static let sampleCount = 16
    private static let sampleByteCount = 4096

    /// A fingerprint of the model: SHA-256, as 64 hexadecimal digits, over texts, headers and samples of weights.
    ///
    /// In this order:
    /// - each of `textFiles` that exists (paths below the folder): name, byte count and contents;
    /// - each weight file: part, file name, byte count, JSON header, and 16 blocks of 4096 bytes spread evenly from the
    ///   first to the last byte of the data (all of it where that is less).
    ///
    /// It tells models apart without reading gigabytes; it does not prove that no weight was changed.
    public func identity(textFiles: [String]) throws(CheckpointError) -> String {
        var hash = SHA256()
        for name in textFiles.sorted() where FileReader.exists("\(folder)/\(name)") {
            let bytes = try FileReader.readAll("\(folder)/\(name)", limit: 64 << 20)
            hash.update(Array("text \(name) \(bytes.count)\n".utf8))
            hash.update(bytes)
        }
        for part in parts.values.sorted(by: { $0.name < $1.name }) {
            for file in part.files {
                let name = file.path.split(separator: "/").last ?? ""
                hash.update(Array("weights \(part.name) \(name) \(file.byteCount)\n".utf8))
                hash.update(file.json)
                for block in Self.samples(of: file.header.dataOffset..<file.byteCount) {
                    hash.update(try FileReader.read(file.path, block))
                }
            }
        }
        return hash.hexadecimal()
    }

    private static func samples(of data: Range<Int>) -> [Range<Int>] {
        guard data.count > sampleCount * sampleByteCount else { return [data] }
        let span = data.count - sampleByteCount
        return (0..<sampleCount).map { index in
            let start = data.lowerBound + span * index / (sampleCount - 1)
            return start..<(start + sampleByteCount)
        }
    }
}
