/// `a=name:value`, or `a=name`.
package struct SDPAttribute: Hashable, Sendable {
    package var name: String
    package var value: String?

    package init(_ name: String, _ value: String? = nil) {
        self.name = name
        self.value = value
    }

    /// `nil` without a name.
    init?(parsing text: Substring) {
        let (name, value) = text.cut(at: UInt8(ascii: ":"))
        guard !name.trimmed.isEmpty else { return nil }
        self.name = String(name.trimmed)
        self.value = value.map { String($0.trimmed) }
    }
}

extension [SDPAttribute] {
    /// The value of the first attribute of this name that has one; names are compared without regard to case.
    package func value(_ name: String) -> String? {
        first { $0.name.equalsIgnoringCase(name) && $0.value != nil }?.value
    }

    /// The values of all attributes of this name.
    package func values(_ name: String) -> [String] {
        lazy.filter { $0.name.equalsIgnoringCase(name) }.compactMap(\.value)
    }

    package func contains(named name: String) -> Bool { contains { $0.name.equalsIgnoringCase(name) } }
}
