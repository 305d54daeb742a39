/// Words as a POSIX shell reads them back.
enum ShellQuote {
    /// A word that a shell takes for exactly this text: as it is where nothing in it means anything, else in quotes.
    static func quote(_ word: String) -> String {
        let isPlain =
            !word.isEmpty
            && word.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "_./:@%+,-".utf8.contains(byte)
                }
            }
        // Inside single quotes nothing has a meaning but their end.
        return isPlain ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
    }

    /// A command line of words.
    static func join(_ words: [String]) -> String { words.map(quote).joined(separator: " ") }
}
