internal import NIOCore

/// A place at which connections are accepted, which can be closed and opened again and stays reserved meanwhile. Used on its
/// event loop only.
protocol PortBinding: AnyObject {
    /// Takes a port, 0 for any, without listening yet.
    func reserve(host: String, port: Int) throws(OriginError) -> Int
    /// Listens.
    ///
    /// - Parameter accepted: prepares each connection.
    func open(_ accepted: @escaping (any Channel, any Wire) throws -> Void) -> EventLoopFuture<Void>
    /// Listens no longer when this returns.
    func close()
    /// Gives the port back. It must be closed.
    func release()
}

/// Where origins live: a thread, and a network.
struct Whereabouts {
    let loop: any EventLoop
    let makeBinding: () -> any PortBinding
}
