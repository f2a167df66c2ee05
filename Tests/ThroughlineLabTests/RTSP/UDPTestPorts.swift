internal import Glibc

/// Two UDP ports in a row on loopback.
final class UDPTestPorts {
    let range: ClosedRange<UInt16>
    private let descriptors: [CInt]

    init() throws {
        for _ in 0..<200 {
            guard let (first, number) = Self.bound(0) else { continue }
            if number % 2 == 0, number < 65_535, let (second, _) = Self.bound(number + 1) {
                range = number...(number + 1)
                descriptors = [first, second]
                return
            }
            close(first)
        }
        throw RawClient.Failure(description: "no two UDP ports")
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func bound(_ port: UInt16) -> (CInt, UInt16)? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var time = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var address = address(port)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        if result { return (descriptor, UInt16(bigEndian: address.sin_port)) }
        close(descriptor)
        return nil
    }

    /// The next RTP packet; nil after two seconds of nothing.
    func receive() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = recv(descriptors[0], &bytes, bytes.count, 0)
        return count < 0 ? nil : Array(bytes[..<count])
    }

    /// Sends to a port and tells whether ICMP said that there is nobody.
    func isRefused(by port: UInt16) -> Bool {
        guard let (descriptor, _) = Self.bound(0) else { return false }
        defer { close(descriptor) }
        var address = Self.address(port)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        var byte: UInt8 = 0
        guard connected, send(descriptor, &byte, 1, 0) == 1 else { return false }
        return recv(descriptor, &byte, 1, 0) < 0 && errno == ECONNREFUSED
    }
}
