import Glibc

/// What a path leads to, however it is written: two paths are the same file when their identities are equal.
struct FileIdentity: Hashable {
    private let device: dev_t
    private let inode: ino_t
    /// In the directory that the numbers name, where the file does not exist yet.
    private let name: String?

    /// Nil for what may be written by many, such as a terminal or /dev/null, and for what leads nowhere.
    ///
    /// - Parameter path: `-` is standard output.
    init?(_ path: String) {
        var status = stat()
        let isThere = path == "-" ? fstat(STDOUT_FILENO, &status) == 0 : stat(path, &status) == 0
        if isThere {
            guard status.st_mode & S_IFMT != S_IFCHR else { return nil }
            (device, inode, name) = (status.st_dev, status.st_ino, nil)
            return
        }
        guard path != "-", !path.isEmpty, !path.hasSuffix("/") else { return nil }
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard stat(directory, &status) == 0 else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
        name = path.split(separator: "/").last.map { String($0) }
    }

    /// Whether a path is another name of standard output.
    static func isStandardOutput(_ path: String) -> Bool {
        ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(path)
    }
}
