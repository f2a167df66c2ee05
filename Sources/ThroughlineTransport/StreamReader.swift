import Glibc
package import ThroughlineCore

/// Reads a descriptor that gives its bytes once and in order: a pipe, a terminal, a device or a connected socket.
///
/// It is waited for before it is read, so that a descriptor that blocks, since others share it, holds up nobody. Used on one
/// thread at a time.
package final class StreamReader {
    private let name: String
    private let descriptor: Int32
    private let isOwned: Bool
    private let waiter: SocketWaiter

    /// - Parameters:
    ///   - name: for people.
    ///   - isOwned: closed with this reader.
    ///   - abort: ends every read.
    package init(_ descriptor: Int32, named name: String, isOwned: Bool, abort: AbortSwitch) throws(TransportError) {
        self.descriptor = descriptor
        self.name = name
        self.isOwned = isOwned
        do throws(TransportError) {
            waiter = try SocketWaiter(abort: abort)
        } catch {
            if isOwned { Glibc.close(descriptor) }
            throw error
        }
        waiter.watch(descriptor, for: .input)
    }

    deinit { if isOwned { close(descriptor) } }

    /// At least one byte; 0 when the other side has closed.
    ///
    /// - Parameter beforeBlocking: called before it sleeps; gives the deadline from then on. Called again whenever it was
    ///   woken (`AbortSwitch.askAnew`): an earlier deadline holds then.
    package func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        var deadline = deadline
        while true {
            if try waiter.wait(until: Instant(nanoseconds: 0)).isDisjoint(with: .socket) {
                deadline = beforeBlocking?() ?? deadline
                var reason: SocketWaiter.Reason
                repeat {
                    reason = try waiter.wait(until: deadline)
                    if reason == [] { throw TransportError(.timedOut, "\(name): nothing came") }
                    if let beforeBlocking { deadline = min(deadline, beforeBlocking()) }
                } while !reason.contains(.socket)
            }
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            switch errno {
            case EINTR, EAGAIN: continue
            case ECONNRESET: throw TransportError(.reset, "\(name): the other side broke the connection")
            default: throw FileReader.failure("read \(name)")
            }
        }
    }
}

/// A socket in the file system.
enum UnixSocket {
    /// - Returns: a connected descriptor, or -1 and `errno`.
    static func connect(to path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let isShort = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard bytes.count < room.count else { return false }
            room.copyBytes(from: bytes)
            return true
        }
        guard isShort else {
            errno = ENAMETOOLONG
            return -1
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return -1 }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let error = errno
            close(descriptor)
            errno = error
            return -1
        }
        return descriptor
    }
}
