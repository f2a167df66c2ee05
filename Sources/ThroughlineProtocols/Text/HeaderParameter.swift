/// One `name=value` of a header, or one name alone; the value is without its quotes.
struct HeaderParameter: Hashable, Sendable {
    var name: String
    var value: String?

    init(name: String, value: String? = nil) {
        self.name = name
        self.value = value
    }

    /// Spaces may stand anywhere around the name and the value.
    init(parsing text: Substring) {
        let (name, value) = text[...].cut(at: UInt8(ascii: "="))
        self.name = String(name.trimmed)
        self.value = value.map(\.unquoted)
    }

    func isNamed(_ name: String) -> Bool { self.name.equalsIgnoringCase(name) }

    /// At most 64 parameters; what follows is dropped.
    static func list(_ text: Substring, separator: UInt8 = UInt8(ascii: ";")) -> [HeaderParameter] {
        text.parts(separatedBy: separator, limit: 64).map { HeaderParameter(parsing: $0) }
    }
}

extension [HeaderParameter] {
    /// The value of the first parameter of this name that has one.
    func value(_ name: String) -> String? { first { $0.isNamed(name) && $0.value != nil }?.value }
}
