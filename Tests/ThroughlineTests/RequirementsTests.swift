internal import Foundation
internal import Testing

/// What the list of requirements names is there.
@Suite struct RequirementsTests {
    private static let root = Fixture.directory.deletingLastPathComponent()

    private static func text(_ path: String) -> String? {
        guard let file = try? FileHandle(forReadingFrom: root.appendingPathComponent(path)) else { return nil }
        defer { try? file.close() }
        return (try? file.readToEnd()).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("Every file and every test that is named exists, and every requirement has both")
    func named() throws {
        let list = try #require(Self.text("Documentation/requirements.md"))
        let requirements = list.components(separatedBy: "\n\n**").dropFirst()
        #expect(requirements.count == 14)
        for requirement in requirements {
            var (sources, tests) = (0, 0)
            // What stands between backticks, one after the other: a file, or a function of the test file before it.
            var file: String?
            for (index, word) in requirement.components(separatedBy: "`").enumerated() where index % 2 == 1 {
                if word.contains("/") {
                    let content = Self.text(word)
                    #expect(content != nil, "\(word) is not there")
                    file = word.hasPrefix("Tests/") ? content : nil
                    if word.hasPrefix("Sources/") { sources += 1 }
                    if word.hasPrefix("Tests/") { tests += 1 }
                } else if let file, word.first?.isLowercase ?? false {
                    #expect(file.contains("func \(word)("), "no test is named \(word)")
                }
            }
            #expect(sources > 0 && tests > 0, "\(requirement.prefix(60))")
        }
    }
}
