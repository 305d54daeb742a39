import Glibc

/// A body of `multipart/form-data` (RFC 7578), taken apart.
package struct MultipartForm: Sendable, Hashable {
    /// One part.
    package struct Part: Sendable, Hashable {
        /// The field's name.
        package var name: String
        /// True where the part names a file.
        package var isFile: Bool
        /// Its bytes.
        package var bytes: [UInt8]
    }

    /// In the order of the body.
    package let parts: [Part]

    /// Most parts of a body.
    package static let partLimit = 64
    /// Bytes of a part's header lines together.
    static let headerByteLimit = 8192
    /// Longest boundary (RFC 2046, 5.1.1).
    static let boundaryByteLimit = 70

    /// Takes a body apart.
    ///
    /// Text before the first boundary and after the last is left out. Throws ``MultipartFormError``.
    package init(_ body: [UInt8], boundary: String) throws(MultipartFormError) {
        guard (1...Self.boundaryByteLimit).contains(boundary.utf8.count) else {
            throw Self.malformed("the boundary has no length from 1 to \(Self.boundaryByteLimit)")
        }
        let delimiter = Array("--\(boundary)".utf8)
        let separator = Array("\r\n".utf8) + delimiter
        var parts: [Part] = []
        // The first delimiter may stand at the very beginning, without a line end.
        var position: Int
        if body.starts(with: delimiter) {
            position = delimiter.count
        } else if let first = Self.find(separator, in: body[...], from: 0) {
            position = first + separator.count
        } else {
            throw Self.malformed("the boundary does not occur in the body")
        }
        while true {
            if body[position...].starts(with: Array("--".utf8)) { break }
            // White space may follow a boundary (RFC 2046, 5.1.1).
            while position < body.count, body[position] == 0x20 || body[position] == 0x09 { position += 1 }
            guard body[position...].starts(with: Array("\r\n".utf8)) else {
                throw Self.malformed("a boundary is not followed by a line end")
            }
            position += 2
            guard let end = Self.find(separator, in: body[...], from: position - 2) else {
                throw Self.malformed("the last part has no end")
            }
            guard parts.count < Self.partLimit else {
                throw Self.malformed("there are more than \(Self.partLimit) parts")
            }
            parts.append(try Self.part(body[min(position, end)..<end]))
            position = end + separator.count
        }
        self.parts = parts
    }

    /// The boundary that a content type names; nil for other types.
    static func boundary(of contentType: String) -> String? {
        let (type, parameters) = HeaderValue.split(contentType)
        return type == "multipart/form-data" ? parameters["boundary"] : nil
    }

    private static func part(_ bytes: ArraySlice<UInt8>) throws(MultipartFormError) -> Part {
        var lines: [String] = []
        var position = bytes.startIndex
        while true {
            let limit = min(bytes.endIndex, bytes.startIndex + headerByteLimit)
            guard let end = find([0x0D, 0x0A], in: bytes[..<limit], from: position) else {
                throw malformed("a part's header has no end within \(headerByteLimit) bytes")
            }
            let line = bytes[position..<end]
            position = end + 2
            if line.isEmpty { break }
            guard let text = String(validating: line, as: UTF8.self) else {
                throw malformed("a part's header is not UTF-8")
            }
            lines.append(text)
        }
        var part: Part?
        // A file has a name, or at least says that it is a picture (RFC 7578, 4.2: names are optional).
        var isPicture = false
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { throw malformed("a part's header line has no colon") }
            let (kind, parameters) = HeaderValue.split(String(line[line.index(after: colon)...]))
            if line[..<colon].lowercased() == "content-type", kind.hasPrefix("image/") { isPicture = true }
            guard part == nil, line[..<colon].lowercased() == "content-disposition" else { continue }
            guard kind == "form-data", let name = parameters["name"], !name.isEmpty, name.utf8.count <= 256 else {
                throw malformed("a part has no name")
            }
            part = Part(name: name, isFile: parameters["filename"] != nil, bytes: Array(bytes[position...]))
        }
        guard var part else { throw malformed("a part has no content-disposition") }
        if isPicture { part.isFile = true }
        return part
    }

    /// Where a pattern begins, at or after a place and before an end.
    private static func find(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
        bytes[start...].withUnsafeBytes { haystack in
            guard let base = haystack.baseAddress, let first = pattern.first else { return nil }
            var position = 0
            // The system finds the first byte far faster than a loop does in a debug build.
            while position + pattern.count <= haystack.count,
                let found = memchr(base + position, Int32(first), haystack.count - position - pattern.count + 1)
            {
                let candidate = UnsafeRawPointer(found) - base
                if memcmp(base + candidate, pattern, pattern.count) == 0 { return start + candidate }
                position = candidate + 1
            }
            return nil
        }
    }

    private static func malformed(_ what: String) -> MultipartFormError { MultipartFormError(description: what) }
}

/// Why a body is no form.
package struct MultipartFormError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    package let description: String
}
