import Foundation
import Testing

/// Holds the import tables of ARCHITECTURE.md: the page is the rule, and this only reads it.
@Suite struct ImportTests {
    private static let page = SourceFile.root.appending(path: "ARCHITECTURE.md")
    private static let lines = ((try? String(contentsOf: page, encoding: .utf8)) ?? "").components(separatedBy: "\n")

    /// Rows of so many cells that begin with a name in backquotes: that name, and the names in the last cell.
    private static func table(columns: Int) -> [String: Set<String>] {
        var table: [String: Set<String>] = [:]
        for line in lines where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == columns, let last = cells.last else { continue }
            table[cells[0].replacing("`", with: "")] = names(in: last)
        }
        return table
    }

    private static func names(in text: some StringProtocol) -> Set<String> {
        Set(String(text).split(whereSeparator: { !$0.isLetter && !$0.isNumber }).map(String.init))
    }

    /// What each target may import of the package.
    private static let targets = table(columns: 3)
    /// Who may import each package from outside.
    private static let packages = table(columns: 2)
    /// Modules of the toolchain, from the sentence that lists them.
    private static let toolchain = sentence("Everything else is the toolchain's: ")
    /// Targets that import nothing from outside: the names before those words.
    private static let closed: Set<String> = {
        let text = lines.joined(separator: " ")
        guard let end = text.range(of: " import nothing outside the package.") else { return [] }
        let start = text[..<end.lowerBound].range(of: ". ", options: .backwards)?.upperBound ?? text.startIndex
        return names(in: text[start..<end.lowerBound]).subtracting(["and"])
    }()

    /// Names between some words and the end of their sentence.
    private static func sentence(_ start: String) -> Set<String> {
        let text = lines.joined(separator: " ")
        guard let begin = text.range(of: start), let end = text[begin.upperBound...].range(of: ". ") else { return [] }
        return names(in: text[begin.upperBound..<end.lowerBound]).subtracting(["and"])
    }

    /// A row names a system library without the C of its module.
    private static func row(_ target: String, names module: String) -> Bool {
        let row = targets[target] ?? []
        return row.contains("all") && targets[module] != nil || row.contains(module)
            || module.first == "C" && row.contains(String(module.dropFirst()))
    }

    @Test func thePageIsUnderstood() {
        #expect(Self.targets.count >= 12 && Self.packages.count >= 3)
        #expect(Self.toolchain.isSuperset(of: ["Foundation", "Glibc"]))
        #expect(Self.closed == ["Program", "Sharding"])
    }

    @Test func targetsImportWhatTheirRowsName() {
        for file in SourceFile.sources {
            #expect(Self.targets[file.target] != nil, "\(file): ARCHITECTURE.md does not list \(file.target)")
            for (module, line) in file.imports where module != file.target {
                let isAllowed =
                    Self.row(file.target, names: module)
                    || Self.toolchain.contains(module) && !Self.closed.contains(file.target)
                    || Self.packages[module]?.contains(file.target) == true
                #expect(isAllowed, "\(file):\(line): \(file.target) may not import \(module)")
            }
        }
    }

    @Test func rowsNameWhatTheirTargetsImport() {
        for (target, row) in Self.targets where row != ["all"] && row != ["–"] {
            let imported = Set(
                SourceFile.all.filter { $0.path.hasSuffix(".swift") && $0.target == target }
                    .flatMap { $0.imports.map(\.module) })
            for name in row {
                #expect(
                    imported.contains(name) || imported.contains("C" + name),
                    "ARCHITECTURE.md lets \(target) import \(name), but it does not")
            }
        }
        for (package, importers) in Self.packages {
            for target in importers {
                #expect(
                    SourceFile.all.contains { file in
                        file.target == target && file.imports.contains { $0.module == package }
                    }, "ARCHITECTURE.md lets \(target) import \(package), but it does not")
            }
        }
    }

    @Test func noSystemLibraryHasTwoImporters() {
        let systems = SourceFile.paths(below: "Sources").filter { $0.hasSuffix("module.modulemap") }
            .compactMap { $0.split(separator: "/").dropFirst().first.map(String.init) }
        #expect(!systems.isEmpty)
        for system in systems {
            let importers = Set(SourceFile.sources.filter { $0.imports.contains { $0.module == system } }.map(\.target))
            #expect(importers.count <= 1, "\(system) is imported by \(importers.sorted())")
        }
    }

    /// Whatever is between: a worker must not reach a compiler or a model through other targets.
    @Test func workersContainNoCompilerAndNoModel() {
        var reached: Set<String> = []
        var open = Self.targets["Worker"] ?? []
        while let next = open.popFirst() {
            if reached.insert(next).inserted { open.formUnion(Self.targets[next] ?? []) }
        }
        #expect(reached.contains("Runtime"))
        #expect(reached.isDisjoint(with: ["Sharding", "Models", "Coordinator"]))
    }
}
