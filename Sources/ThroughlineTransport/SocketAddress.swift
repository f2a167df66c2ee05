internal import Glibc

/// An address and port of either family.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// The local end of a socket.
    init?(localOf descriptor: Int32) { self.init(descriptor, getsockname) }

    /// The other end of a connected socket.
    init?(peerOf descriptor: Int32) { self.init(descriptor, getpeername) }

    private init?(
        _ descriptor: Int32,
        _ ask: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
    ) {
        var length = length
        let result = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(descriptor, $0, &length) }
        }
        self.length = length
        guard result == 0, [AF_INET, AF_INET6].contains(family) else { return nil }
    }

    /// Asks no name server.
    ///
    /// - Parameter numericHost: an IPv4 or IPv6 address, the latter perhaps with a scope: `fe80::1%eth0`.
    init?(numericHost: String, port: UInt16) {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(numericHost, String(port), &hints, &list) == 0, let list else { return nil }
        defer { freeaddrinfo(list) }
        guard let address = list.pointee.ai_addr, [AF_INET, AF_INET6].contains(list.pointee.ai_family) else {
            return nil
        }
        length = list.pointee.ai_addrlen
        let bytes = UnsafeRawBufferPointer(start: address, count: Int(length))
        withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: bytes) }
    }

    /// `AF_INET` or `AF_INET6`.
    var family: Int32 { Int32(storage.ss_family) }

    var port: UInt16 {
        get {
            // The port lies at the same place in both families.
            withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        }
        set {
            withUnsafeMutableBytes(of: &storage) {
                $0.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
            }
        }
    }

    /// As digits, with the scope of a link-local address.
    var numericHost: String? {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let result = withPointer { address, length in
            getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        }
        guard result == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Calls `body` with the address as the system's functions take it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// Compares family, address and port. Scopes are not compared: one of the two may not tell.
    func isSame(as other: UnsafePointer<sockaddr>, onAnyPort: Bool) -> Bool {
        let other = UnsafeRawPointer(other)
        // The family is what every address begins with.
        guard Int32(other.loadUnaligned(as: sa_family_t.self)) == family else { return false }
        return withPointer { own, _ in
            let own = UnsafeRawPointer(own)
            func isEqual(_ offset: Int, _ count: Int) -> Bool { memcmp(own + offset, other + offset, count) == 0 }
            // Of both families, the port lies at 2; the address at 4, or after the flow label at 8.
            guard onAnyPort || isEqual(2, 2) else { return false }
            return family == AF_INET ? isEqual(4, 4) : isEqual(8, 16)
        }
    }
}
