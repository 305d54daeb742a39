/// Which of two stored precisions of the same weights to read.
public enum WeightVariant: String, Sendable, Hashable {
    /// The files without a variant in their name; the fp16 files where there are no others.
    case full
    /// The fp16 files; the others where there are none.
    case half
}

/// The files of one part of a model ("transformer", "vqvae", "text_encoder"): one safetensors file or several shards.
public struct CheckpointPart: Sendable {
    /// Which file holds a tensor, and its entry there.
    public struct Location: Sendable, Hashable {
        /// Path of the file.
        public let path: String
        /// The file's entry.
        public let entry: SafetensorsHeader.Entry
    }

    /// Name of the part, which is also its folder's name.
    public let name: String
    /// All files that tensors are taken from, sorted by path.
    public let files: [SafetensorsFile]
    /// Where each tensor lies, by name.
    public let tensors: [String: Location]

    /// A part that is a single file.
    init(name: String, file: String) throws(CheckpointError) {
        let file = try SafetensorsFile(path: file)
        self.name = name
        files = [file]
        tensors = file.header.entries.mapValues { Location(path: file.path, entry: $0) }
    }

    /// Finds the files in a part's folder, as diffusers and transformers name them.
    ///
    /// Throws ``CheckpointError`` where there are none, or where one is damaged or missing.
    init(name: String, folder: String, variant: WeightVariant) throws(CheckpointError) {
        guard FileReader.isFolder(folder) else {
            throw .file(path: folder, problem: "there is no such folder; a model has one for its part \(name)")
        }
        let full = ["diffusion_pytorch_model.safetensors", "model.safetensors"]
        let half = full.map { $0.replacingSuffix(".safetensors", with: ".fp16.safetensors") }
        for file in variant == .full ? full + half : half + full {
            for index in Self.indexNames(of: file) where FileReader.exists("\(folder)/\(index)") {
                try self.init(name: name, folder: folder, index: index)
                return
            }
            if FileReader.exists("\(folder)/\(file)") {
                try self.init(name: name, file: "\(folder)/\(file)")
                return
            }
        }
        let names = (full + half).joined(separator: ", ")
        throw .file(path: folder, problem: "it holds none of \(names) and no index of shards")
    }

    private init(name: String, folder: String, index: String) throws(CheckpointError) {
        let path = "\(folder)/\(index)"
        guard let map = try FileReader.readJSON(path).object?["weight_map"]?.object else {
            throw .json(path: path, problem: "it has no object weight_map")
        }
        var shards: [String: SafetensorsFile] = [:]
        var tensors: [String: Location] = [:]
        for (tensor, value) in map.sorted(by: { $0.key < $1.key }) {
            guard let shard = value.string, !shard.isEmpty, !shard.contains("/"), shard != "..", !shard.contains("\0")
            else { throw .json(path: path, problem: "the file of \(tensor) is not the name of a file beside it") }
            if shards[shard] == nil { shards[shard] = try SafetensorsFile(path: "\(folder)/\(shard)") }
            guard let entry = shards[shard]?.header.entries[tensor] else {
                throw .json(path: path, problem: "\(tensor) is not in \(shard), where the index says it is")
            }
            tensors[tensor] = Location(path: "\(folder)/\(shard)", entry: entry)
        }
        self.name = name
        self.tensors = tensors
        files = shards.values.sorted { $0.path < $1.path }
    }

    /// Names that an index of shards may have: `x.safetensors.index.json`, and for a variant also
    /// `x.safetensors.index.fp16.json`.
    private static func indexNames(of file: String) -> [String] {
        let plain = file.replacingSuffix(".fp16.safetensors", with: ".safetensors")
        return plain == file ? ["\(file).index.json"] : ["\(file).index.json", "\(plain).index.fp16.json"]
    }
}

extension String {
    /// The string with another ending, or itself where it does not end so.
    fileprivate func replacingSuffix(_ suffix: String, with other: String) -> String {
        hasSuffix(suffix) ? dropLast(suffix.count) + other : self
    }
}
