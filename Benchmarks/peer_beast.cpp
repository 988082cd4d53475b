// Boost.Beast with simdjson, as an agent on them would be written: blocking reads into one buffer.
#include "client.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <simdjson.h>
#include <string>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

template <typename Stream> static void run(bench &b, Stream &stream) {
    beast::flat_buffer buffer;
    buffer.reserve(1 << 20);
    simdjson::ondemand::parser parser;
    std::string id;
    stream.handshake("127.0.0.1", "/v1/responses");
    stream.text(true);
    stream.read_message_max(0);
    while (bench_begin(&b)) {
        char request[1024];
        int len = bench_request(&b, id.data(), id.size(), request, sizeof request);
        stream.write(asio::buffer(request, static_cast<std::size_t>(len)));
        for (bool ended = false; !ended;) {
            stream.read(buffer);
            std::size_t size = buffer.size();
            buffer.reserve(size + simdjson::SIMDJSON_PADDING);
            const char *data = static_cast<const char *>(buffer.data().data());
            auto event = parser.iterate(data, size, size + simdjson::SIMDJSON_PADDING);
            std::string_view type = event["type"];
            b.events++;
            if (type == "response.output_text.delta") {
                std::string_view delta = event["delta"];
                bench_delta(&b, delta.data(), delta.size());
            } else if (type == "response.completed") {
                id = std::string_view(event["response"]["id"]);
                ended = true;
            } else if (type == "error") {
                bench_fail("an error event");
            }
            buffer.consume(size);
        }
        bench_end(&b);
    }
}

int main(int argc, char **argv) {
    bench b = bench_new(argc, argv);
    asio::io_context io;
    asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                     static_cast<unsigned short>(atoi(b.port)));
    asio::ip::tcp::no_delay no_delay(true);
    try {
        if (b.is_tls) {
            asio::ssl::context tls(asio::ssl::context::tls_client);
            tls.load_verify_file(b.ca_file);
            tls.set_verify_mode(asio::ssl::verify_peer);
            websocket::stream<beast::ssl_stream<asio::ip::tcp::socket>> stream(io, tls);
            beast::get_lowest_layer(stream).connect(endpoint);
            beast::get_lowest_layer(stream).set_option(no_delay);
            stream.next_layer().handshake(asio::ssl::stream_base::client);
            run(b, stream);
        } else {
            websocket::stream<asio::ip::tcp::socket> stream(io);
            stream.next_layer().connect(endpoint);
            stream.next_layer().set_option(no_delay);
            run(b, stream);
        }
    } catch (const std::exception &error) {
        bench_fail(error.what());
    }
    bench_report(&b);
    return 0;
}
