internal import ArgumentParser
import Glibc
internal import ThroughlineCore

/// Users and passwords that stand in no argument, where every user of the machine could read them: from a `netrc` file, or the
/// environment.
struct OriginCredentials {
    private let netrc: Netrc?
    private let environment: (user: String, password: String)?

    /// - Parameters:
    ///   - file: a netrc file; checked by `check`, and empty where it cannot be read.
    ///   - readsHome: reads the one in the home folder.
    init(file: String?, readsHome: Bool) {
        netrc = Self.path(file, readsHome).flatMap { Self.text(of: $0) }.map { Netrc($0) }
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        environment = variable("THROUGHLINE_USER").map { ($0, variable("THROUGHLINE_PASSWORD") ?? "") }
    }

    /// Says why a file that was asked for cannot be used.
    static func check(file: String?, readsHome: Bool) throws {
        guard let path = path(file, readsHome), text(of: path) == nil else { return }
        throw ValidationError("cannot read \(path): \(String(cString: strerror(errno)))")
    }

    /// The URL, with the user and the password for its host.
    func added(to url: String) -> String {
        guard let host = hostName(of: url) else { return url }
        if let entry = netrc?.entry(for: host), !entry.user.isEmpty {
            return withCredentials(url, user: entry.user, password: entry.password)
        }
        guard let environment else { return url }
        return withCredentials(url, user: environment.user, password: environment.password)
    }

    private static func path(_ file: String?, _ readsHome: Bool) -> String? {
        if let file { return file }
        guard readsHome else { return nil }
        if let named = getenv("NETRC") { return String(cString: named) }
        return (getenv("HOME").map { String(cString: $0) } ?? "") + "/.netrc"
    }

    private static func text(of path: String) -> String? {
        guard let stream = fopen(path, "re") else { return nil }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: Netrc.maximumLength)
        let count = fread(&bytes, 1, bytes.count, stream)
        guard ferror(stream) == 0 else { return nil }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
