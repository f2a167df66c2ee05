internal import Glibc
internal import ThroughlineCore

/// An HTTP server of few words on loopback: what it answers is made of the request, one to a connection, byte by byte as the
/// test wants it.
final class PlainServer: Sendable {
    /// One request.
    struct Request: Sendable {
        /// Counted from 0.
        let number: Int
        /// The first byte that is asked for; nil where no range is.
        let from: Int?
        let text: String
    }

    let port: Int
    private let descriptor: Int32
    private let thread: WorkerThread
    private let asked: Guarded<[Request]>

    /// - Parameter answer: the head and the body of the answer; the connection is closed after it.
    init(_ answer: @escaping @Sendable (Request) -> [UInt8]) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                precondition(bind(descriptor, generic, length) == 0 && listen(descriptor, 16) == 0)
                getsockname(descriptor, generic, &length)
            }
        }
        let asked = Guarded<[Request]>([])
        (self.descriptor, self.asked, port) = (descriptor, asked, Int(UInt16(bigEndian: address.sin_port)))
        thread = WorkerThread(name: "plain-server") {
            while true {
                let peer = accept(descriptor, nil, nil)
                guard peer >= 0 else { return }
                Self.serve(peer, asked, answer)
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        thread.join()
        close(descriptor)
    }

    var url: String { "http://127.0.0.1:\(port)/film" }
    var requests: [Request] { asked.withLock { $0 } }

    private static func serve(
        _ peer: Int32, _ asked: Guarded<[Request]>, _ answer: (Request) -> [UInt8]
    ) {
        defer { close(peer) }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8), recv(peer, &byte, 1, 0) == 1 { bytes.append(byte) }
        guard !bytes.isEmpty else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        let range = text.split(separator: "\r\n").first { $0.lowercased().hasPrefix("range: bytes=") }
        let from = range.flatMap { Int($0.dropFirst("range: bytes=".count).prefix { $0 != "-" }) }
        let request = asked.withLock { all in
            all.append(Request(number: all.count, from: from, text: text))
            return all[all.count - 1]
        }
        let reply = answer(request)
        var sent = 0
        while sent < reply.count {
            let count = reply[sent...].withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return }
            sent += count
        }
        shutdown(peer, Int32(SHUT_WR))
        // Until the client has closed: what was sent is not cut off by a reset.
        _ = recv(peer, &byte, 1, 0)
    }

    /// Bytes with neither a length nor chunks: they end with the connection.
    static func endless(_ bytes: [UInt8]) -> [UInt8] {
        Array("HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n".utf8) + bytes
    }

    /// An object as it is at this moment, by ranges.
    static func ranged(_ object: [UInt8], from: Int?) -> [UInt8] {
        guard let from else {
            return Array("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: \(object.count)\r\n\r\n".utf8)
                + object
        }
        guard from < object.count else {
            let head =
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */\(object.count)\r\nContent-Length: 0\r\n\r\n"
            return Array(head.utf8)
        }
        let head =
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \(from)-\(object.count - 1)/\(object.count)\r\n"
            + "Content-Length: \(object.count - from)\r\n\r\n"
        return Array(head.utf8) + object[from...]
    }
}
