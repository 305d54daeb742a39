import Tensor

/// Reads the text of a program (see docs/program-text.md) back to a ``Program``.
///
/// What it returns is well-formed text; whether shapes and attributes fit their operations is for ``ShapeRule`` to say.
/// Work and memory are linear in the text; nothing in it makes the parser trap.
public struct ProgramParser {
    /// Most bytes read.
    public static let byteCountMax = 1 << 26
    /// Most operations.
    public static let operationCountMax = 1 << 20
    /// Most dimensions of a value.
    public static let rankMax = 64
    /// Largest size or granule of a dimension.
    public static let sizeMax = 1 << 40
    /// Most entries in a list, operands or attributes.
    public static let listCountMax = 1 << 16

    private var lexer: ProgramLexer
    private var token: ProgramToken
    private var program = Program(name: "")

    /// Reads a program.
    public static func parse(_ text: String) throws(ProgramTextError) -> Program { try parse(Array(text.utf8)) }

    /// Reads a program from UTF-8 bytes.
    public static func parse(_ bytes: [UInt8]) throws(ProgramTextError) -> Program {
        guard bytes.count <= byteCountMax else {
            throw ProgramTextError(
                line: 1, column: 1, expected: "a text of at most \(byteCountMax) bytes", found: "\(bytes.count) bytes")
        }
        var parser = try ProgramParser(bytes)
        return try parser.parsed()
    }

    private init(_ bytes: [UInt8]) throws(ProgramTextError) {
        lexer = ProgramLexer(bytes)
        token = try lexer.next()
    }

    // MARK: Statements

    private mutating func parsed() throws(ProgramTextError) -> Program {
        try keyword("program")
        program.name = try text("the program's name in quotes")
        try symbol("{")
        while token.kind != .symbol(UInt8(ascii: "}")) {
            switch token.kind {
            case .word("weight"): try weight()
            case .word("resident"): try resident()
            case .word("output"): try output()
            case .value: try operation()
            default: throw unexpected("'%', 'weight', 'resident', 'output' or '}'")
            }
        }
        try symbol("}")
        guard token.kind == .end else { throw unexpected("the end of the text") }
        return program
    }

    /// `weight "key" from "part" / "tensor" [dims] view [dims] permutation [ints] scale 0.02 mean 0.0 as "name"`.
    private mutating func weight() throws(ProgramTextError) {
        try keyword("weight")
        let place = token
        let key = try text("the weight's name in quotes")
        guard program.parameters[key] == nil else { throw unexpected("a weight that was not declared", at: place) }
        try keyword("from")
        let part = try text("the part of the model in quotes")
        try symbol("/")
        let tensor = try text("the name in the file in quotes")
        let dims = try sizes()
        let view = try skips("view") ? try sizes() : dims
        var permutation = Array(view.indices)
        if try skips("permutation") {
            let place = token
            permutation = try ints()
            guard permutation.allSatisfy(view.indices.contains), permutation.count <= Self.rankMax else {
                throw unexpected("a permutation of \(view.count) dimensions", at: place)
            }
        }
        try keyword("scale")
        let scale = try number()
        try keyword("mean")
        let mean = try number()
        let name = try skips("as") ? try text("a name in quotes") : key
        program.parameters[key] = ParameterSpec(
            name: name, part: part, tensor: tensor, fileDims: dims, view: view, permutation: permutation,
            generatedScale: scale, generatedMean: mean)
    }

    private mutating func resident() throws(ProgramTextError) {
        try keyword("resident")
        let place = token
        guard program.residentInputs.insert(try text("the name of an input in quotes")).inserted else {
            throw unexpected("a resident that was not declared", at: place)
        }
    }

    private mutating func output() throws(ProgramTextError) {
        try keyword("output")
        let name = try text("the output's name in quotes")
        try symbol("=")
        let value = try operand()
        program.outputs.append(.init(name: name, value: value, isResident: try skips("resident")))
    }

    /// `%17 = dot(%3, %5) {contract = 1} : bf16[2, 16/1] axes [guidance, _] in "layers.3"`.
    private mutating func operation() throws(ProgramTextError) {
        let id = program.operations.count
        guard token.kind == .value(id) else { throw unexpected("'%\(id)', the next value") }
        guard id < Self.operationCountMax else { throw unexpected("at most \(Self.operationCountMax) operations") }
        try advance()
        try symbol("=")
        let place = token
        guard case .word(let word) = token.kind, let opcode = Opcode(rawValue: word) else {
            throw unexpected("the name of an operation", at: place)
        }
        try advance()
        let operands = try list("(", ")") { parser throws(ProgramTextError) in try parser.operand() }
        let attributes =
            token.kind == .symbol(UInt8(ascii: "{")) ? try attributes() : Attributes([:])
        try symbol(":")
        let type = try type()
        var axes: [String?] = []
        if try skips("axes") {
            axes = try list("[", "]", countMax: Self.rankMax) { parser throws(ProgramTextError) in
                if case .word("_") = parser.token.kind {
                    try parser.advance()
                    return nil
                }
                return try parser.name("'_' or the name of a logical axis")
            }
        }
        let scope = try skips("in") ? try text("a scope in quotes") : ""
        program.operations.append(
            .init(opcode: opcode, operands: operands, attributes: attributes, type: type, axes: axes, scope: scope))
    }

    // MARK: Parts

    private mutating func operand() throws(ProgramTextError) -> Program.ValueID {
        guard case .value(let id) = token.kind else { throw unexpected("a value such as %0") }
        guard id < program.operations.count else { throw unexpected("a value that was made before") }
        try advance()
        return id
    }

    private mutating func attributes() throws(ProgramTextError) -> Attributes {
        var values: [String: Attribute] = [:]
        _ = try list("{", "}") { parser throws(ProgramTextError) in
            let place = parser.token
            let name = try parser.name("the name of an attribute")
            guard values[name] == nil else { throw parser.unexpected("an attribute that was not given", at: place) }
            try parser.symbol("=")
            values[name] = try parser.attribute()
        }
        return Attributes(values)
    }

    private mutating func attribute() throws(ProgramTextError) -> Attribute {
        switch token.kind {
        case .int(let value):
            try advance()
            return .int(value)
        case .text(let text):
            try advance()
            return .text(text)
        case .symbol(UInt8(ascii: "[")): return .ints(try ints())
        case .float, .word("inf"), .word("nan"): return .float(try number())
        default: throw unexpected("a number, a list of whole numbers or a quoted text")
        }
    }

    private mutating func type() throws(ProgramTextError) -> TensorType {
        guard case .word(let word) = token.kind, let dtype = DType(rawValue: word) else {
            throw unexpected("an element type: " + DType.allCases.map(\.rawValue).joined(separator: ", "))
        }
        try advance()
        return TensorType(
            dtype,
            try list("[", "]", countMax: Self.rankMax) { parser throws(ProgramTextError) in
                let size = try parser.size(from: 0)
                guard parser.token.kind == .symbol(UInt8(ascii: "/")) else { return Dim(size) }
                try parser.advance()
                return Dim(size, granule: try parser.size(from: 1))
            })
    }

    private mutating func size(from least: Int) throws(ProgramTextError) -> Int {
        guard case .int(let value) = token.kind, (least...Self.sizeMax).contains(value) else {
            throw unexpected("a size from \(least) to \(Self.sizeMax)")
        }
        try advance()
        return value
    }

    private mutating func sizes() throws(ProgramTextError) -> [Int] {
        try list("[", "]", countMax: Self.rankMax) { parser throws(ProgramTextError) in try parser.size(from: 0) }
    }

    private mutating func ints() throws(ProgramTextError) -> [Int] {
        try list("[", "]") { parser throws(ProgramTextError) in
            guard case .int(let value) = parser.token.kind else { throw parser.unexpected("a whole number") }
            try parser.advance()
            return value
        }
    }

    private mutating func number() throws(ProgramTextError) -> Double {
        let value: Double
        switch token.kind {
        case .float(let number): value = number
        case .int(let number): value = Double(number)
        case .word("inf"): value = .infinity
        case .word("nan"): value = .nan
        default: throw unexpected("a number")
        }
        try advance()
        return value
    }

    private mutating func name(_ expected: String) throws(ProgramTextError) -> String {
        guard case .word(let word) = token.kind else { return try text(expected) }
        try advance()
        return word
    }

    private mutating func text(_ expected: String) throws(ProgramTextError) -> String {
        guard case .text(let text) = token.kind else { throw unexpected(expected) }
        try advance()
        return text
    }

    // MARK: Tokens

    private mutating func list<Item>(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, countMax: Int = Self.listCountMax,
        _ item: (inout ProgramParser) throws(ProgramTextError) -> Item
    ) throws(ProgramTextError) -> [Item] {
        try symbol(open)
        var items: [Item] = []
        while token.kind != .symbol(UInt8(ascii: close)) {
            if !items.isEmpty {
                guard token.kind == .symbol(UInt8(ascii: ",")) else { throw unexpected("',' or '\(close)'") }
                try advance()
            }
            guard items.count < countMax else { throw unexpected("at most \(countMax) entries") }
            items.append(try item(&self))
        }
        try advance()
        return items
    }

    private mutating func advance() throws(ProgramTextError) { token = try lexer.next() }

    private mutating func symbol(_ scalar: Unicode.Scalar) throws(ProgramTextError) {
        guard token.kind == .symbol(UInt8(ascii: scalar)) else { throw unexpected("'\(scalar)'") }
        try advance()
    }

    private mutating func keyword(_ word: String) throws(ProgramTextError) {
        guard try skips(word) else { throw unexpected("'\(word)'") }
    }

    /// True, and one token further, where the word stands here.
    private mutating func skips(_ word: String) throws(ProgramTextError) -> Bool {
        guard token.kind == .word(word) else { return false }
        try advance()
        return true
    }

    private func unexpected(_ expected: String, at place: ProgramToken? = nil) -> ProgramTextError {
        let place = place ?? token
        return lexer.error(at: place.offset, expected: expected, found: place.described)
    }
}
