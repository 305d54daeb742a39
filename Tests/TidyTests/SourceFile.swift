import Foundation

/// A text file of the repository, as the tidy tests read it.
struct SourceFile: Sendable, CustomStringConvertible {
    /// Path below the repository's root.
    let path: String
    let lines: [String]

    var description: String { path }
    /// "Sharding" for Sources/Sharding/Rules/X.swift.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
    var isGenerated: Bool { path.hasSuffix(".pb.swift") }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Sources and tests, generated files left out.
    static let swift: [SourceFile] = all.filter { $0.path.hasSuffix(".swift") && !$0.isGenerated }
    /// Swift files below Sources.
    static let sources: [SourceFile] = swift.filter { $0.path.hasPrefix("Sources/") }
    /// Swift, C and headers below Sources and Tests.
    static let all: [SourceFile] = ["Sources", "Tests"].flatMap { folder in
        paths(below: folder).filter { [".swift", ".c", ".h"].contains(where: $0.hasSuffix) }.compactMap { path in
            guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else { return nil }
            return SourceFile(path: path, lines: text.components(separatedBy: "\n"))
        }
    }

    /// Paths of all files below a folder of the repository, build folders and hidden ones left out; sorted.
    static func paths(below folder: String) -> [String] {
        let base = root.appending(path: folder)
        guard let walker = FileManager.default.enumerator(atPath: base.path) else { return [] }
        var paths: [String] = []
        while let path = walker.nextObject() as? String {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix(".build") || name == ".git" {
                walker.skipDescendants()
                continue
            }
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: base.appending(path: path).path, isDirectory: &isFolder),
                !isFolder.boolValue
            {
                paths.append(folder == "." ? path : "\(folder)/\(path)")
            }
        }
        return paths.sorted()
    }

    /// Modules imported, with line numbers from 1.
    var imports: [(module: String, line: Int)] {
        lines.enumerated().compactMap { index, line in
            var words = line.split(separator: " ")
            while let first = words.first, first.hasPrefix("@") || ["public", "package", "internal"].contains(first) {
                words.removeFirst()
            }
            guard words.first == "import", let name = words.last else { return nil }
            return (String(name.split(separator: ".").first ?? name), index + 1)
        }
    }

    /// Lines without comments and without the contents of string literals, as far as single lines tell.
    var code: [String] {
        lines.map { line in
            var result = ""
            var isQuoted = false
            var previous: Character = " "
            for character in line {
                if character == "\"", previous != "\\" { isQuoted.toggle() }
                if !isQuoted, character == "/", previous == "/" { return result }
                if !isQuoted { result.append(character) }
                previous = character
            }
            return result
        }
    }
}
