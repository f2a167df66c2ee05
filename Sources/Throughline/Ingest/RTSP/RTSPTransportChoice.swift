/// How RTP is to be carried.
public enum RTSPTransportChoice: String, Sendable, Hashable, CaseIterable {
    /// UDP; where the server refuses it, or nothing comes through, TCP.
    case auto
    /// Between the messages of the control connection.
    case tcp
    case udp
}
