import Foundation
import Testing

/// Holds the import table of ARCHITECTURE.md.
@Suite struct ImportTests {
    /// Modules of the toolchain that any target may use, except those that import nothing from outside.
    private static let toolchain: Set = ["Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization"]
    /// Modules of other packages, with the targets that may import them.
    private static let packages: [String: Set<String>] = [
        "ArgumentParser": ["CLI"], "Logging": ["CLI", "Coordinator", "Server", "Transport", "Worker"],
        "SwiftProtobuf": ["Protocol"], "Yams": ["Coordinator"],
    ]
    /// Targets that import nothing from outside the package.
    private static let closed: Set = ["Program", "Sharding"]

    /// The table: which target names which others in its last column.
    private func table() throws -> [String: Set<String>] {
        let text = try String(contentsOf: SourceFile.root.appending(path: "ARCHITECTURE.md"), encoding: .utf8)
        var table: [String: Set<String>] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3 else { continue }
            let names = cells[2].split { !$0.isLetter && !$0.isNumber }.map(String.init).filter { $0 != "–" }
            table[cells[0].replacing("`", with: "")] = Set(names)
        }
        return table
    }

    /// What a target may import: what its row names, and what those may import.
    private func allowed(_ target: String, _ table: [String: Set<String>]) -> Set<String> {
        var reached: Set<String> = []
        var open = table[target] ?? []
        while let next = open.popFirst() {
            if next == "all" { return Set(table.keys) }
            if reached.insert(next).inserted { open.formUnion(table[next] ?? []) }
        }
        return reached
    }

    @Test func targetsImportWhatTheArchitectureAllows() throws {
        let table = try table()
        try #require(table.count >= 12)
        for file in SourceFile.sources {
            #expect(table[file.target] != nil, "\(file): the table in ARCHITECTURE.md does not list \(file.target)")
            let allowed = allowed(file.target, table)
            for (module, line) in file.imports where module != file.target {
                let isAllowed =
                    allowed.contains(module)
                    || (Self.toolchain.contains(module) && !Self.closed.contains(file.target))
                    || Self.packages[module]?.contains(file.target) == true
                    || module.first == "C" && allowed.contains(String(module.dropFirst()))
                #expect(isAllowed, "\(file):\(line): \(file.target) may not import \(module)")
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

    @Test func workersContainNoCompilerAndNoModel() throws {
        let allowed = allowed("Worker", try table())
        #expect(allowed.isDisjoint(with: ["Sharding", "Models", "Coordinator"]))
    }
}
